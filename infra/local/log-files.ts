import { createWriteStream } from 'node:fs'
import { mkdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'

const LARGE_BYTES = 20_000_000

/** A file under DATA_DIR/log that takes lines. One that has grown large is put aside first, in place of the one before. */
export async function openLogFile(dataDir: string, name: string): Promise<(line: string) => void> {
  const folder = join(dataDir, 'log')
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${name}.log`)
  const found = await stat(file).catch(() => undefined)
  if (found && found.size > LARGE_BYTES) await rename(file, `${file}.1`)
  const stream = createWriteStream(file, { flags: 'a' })
  stream.on('error', () => {}) // a full disk must not stop the services
  return (line) => void stream.write(`${line}\n`)
}
