/** Exits 0 when an address answers 2xx, for images that have no curl: `node build/infra/healthcheck.js http://127.0.0.1:3000/readyz`. */
const [, , url = ''] = process.argv
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(3_000) })
  process.stdout.write(`${response.status} ${await response.text()}\n`)
  process.exitCode = response.ok ? 0 : 1
} catch (error) {
  const { cause, message } = error as Error
  process.stdout.write(`${url}: ${cause instanceof Error ? cause.message : message}\n`)
  process.exitCode = 1
}
