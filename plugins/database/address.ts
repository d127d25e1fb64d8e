/** What an address of Postgres says of its sessions is kept; what ours need has the last word. */

/** Parameters that would reach the server behind `options`, and so win over what stands there. */
const LATER = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']

/** The pool's options for sessions with the settings. What stands in the address itself would replace `options` unread. */
export function withSession(url: string, settings: string[]): { connectionString: string; options: string } {
  const ours = settings.map((setting) => `-c ${setting}`).join(' ')
  const parsed = new URL(url)
  const theirs = parsed.searchParams.get('options')
  for (const name of ['options', ...LATER]) parsed.searchParams.delete(name)
  return { connectionString: parsed.href, options: theirs ? `${theirs} ${ours}` : ours }
}
