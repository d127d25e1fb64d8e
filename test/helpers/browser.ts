/**
 * A real Chromium for one test file, and pages in it that say what went wrong inside them:
 *
 *     const browser = await startBrowser(t)
 *     const { page, faults } = await browser.open({ script: false })
 */
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { CHROMIUM, findProgram } from '../../infra/local/programs.js'
import type { Scope } from './services.js'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run'
]

export interface Visit {
  page: Page
  /** Reports of the content security policy, and errors thrown in scripts. */
  faults: string[]
  /** Addresses that the page asked for. */
  requests: string[]
}

export interface VisitOptions extends BrowserContextOptions {
  /** Whether scripts run. Default true. */
  script?: boolean
}

/** A browser; where there is none the whole test file is skipped aloud, and with CI=true it fails. */
export async function startBrowser(t: Scope & Pick<Test, 'plan'>) {
  const executablePath = process.env.CHROMIUM_PATH || (await findProgram(CHROMIUM))
  if (!executablePath) {
    const reason = 'no Chromium found: install one, or set CHROMIUM_PATH'
    if (process.env.CI) throw new Error(reason)
    t.plan(0, reason)
    process.exit()
  }
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  t.teardown(() => browser.close())

  return {
    /** A page of its own: no cookies, no storage, no history. */
    async open({ script = true, ...options }: VisitOptions = {}): Promise<Visit> {
      const context = await browser.newContext({ javaScriptEnabled: script, ...options })
      const page = await context.newPage()
      page.setDefaultTimeout(15_000)
      const visit: Visit = { page, faults: [], requests: [] }
      page.on('console', (message) => {
        if (/content.security.policy/i.test(message.text())) visit.faults.push(message.text())
      })
      page.on('pageerror', (error) => visit.faults.push(error.message))
      page.on('request', (request) => visit.requests.push(request.url()))
      return visit
    }
  }
}
