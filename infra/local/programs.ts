import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

const USUAL_FOLDERS = [
  '/opt/homebrew/bin',
  '/usr/local/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/usr/bin',
  '/usr/sbin',
  '/usr/local/sbin'
]

/** Browsers that playwright-core can drive. */
export const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** The first of these programs that is on PATH or in a usual folder. */
export async function findProgram(names: string[]): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...USUAL_FOLDERS].filter(Boolean)
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name)
      if (await isExecutable(path)) return path
    }
  }
  return undefined
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}
