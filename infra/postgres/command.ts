/** Runs a command's body: what it says goes to the standard output, a failure to one line and exit code 1. */
export async function command(name: string, body: (say: (line: string) => void) => Promise<void>): Promise<void> {
  try {
    await body((line) => void process.stdout.write(`${line}\n`))
  } catch (error) {
    process.stderr.write(`${name}: ${reasonOf(error)}\n`)
    process.exitCode = 1
  }
}

function reasonOf(error: unknown): string {
  // a refused connection on two addresses carries its text in its parts
  if (error instanceof AggregateError && !error.message) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
