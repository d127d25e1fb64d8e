import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

export interface RedisProgram {
  command: string
  /** Folder of its shared libraries, when it was unpacked and not installed. */
  libraries?: string
}

const NAMES = ['valkey-server', 'redis-server']
const USUAL_FOLDERS = ['/opt/homebrew/bin', '/usr/local/bin', '/home/linuxbrew/.linuxbrew/bin', '/usr/bin']

/** Looks for a Redis on PATH and in the usual folders. */
export async function findRedis(): Promise<RedisProgram | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...USUAL_FOLDERS].filter(Boolean)
  for (const name of NAMES) {
    for (const folder of folders) {
      const command = join(folder, name)
      if (await isExecutable(command)) return { command }
    }
  }
  return undefined
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}
