import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { eventually } from '../helpers/eventually.js'
import { baseImages, type Stack } from './stack.js'

const run = promisify(execFile)

/** Ports, users, rights, networks and origins of the running containers. */
export async function testPlaces(t: Test, stack: Stack, services: string[]) {
  await t.test('B1 nginx publishes two ports, and nobody else any', async (t) => {
    const published = (await stack.containers()).flatMap(({ Service, Publishers }) =>
      (Publishers ?? []).filter(({ PublishedPort }) => PublishedPort > 0).map((port) => ({ Service, ...port }))
    )
    const ports = published.map(({ Service, URL, PublishedPort }) => `${Service} ${URL}:${PublishedPort}`)
    const ours = [stack.url, stack.httpsUrl].map((url) => `nginx ${new URL(url).host}`)
    t.strictSame(ports.sort(), ours.sort())
    const { stdout } = await run('docker', ['compose', 'config'], { env: { ...process.env, ...SECRETS } })
    const byDefault = [...stdout.matchAll(/published: "(\d+)"/g)].map(([, port]) => port)
    t.strictSame(byDefault, ['80', '443'], 'which are 80 and 443 unless others are asked for')
  })

  await t.test('A20 C1 nothing runs as root, nothing can be written to', async (t) => {
    for (const service of services) {
      t.not((await stack.inside(service, 'id -u')).trim(), '0', `${service} is not root`)
      await t.rejects(stack.inside(service, 'touch /here'), /Read-only/, `${service} has a read-only image`)
    }
  })

  await t.test('C5 nginx meets the gateway alone; the databases and the gateway reach nothing outside', async (t) => {
    await t.resolves(stack.inside('nginx', 'getent ahosts gateway'))
    for (const name of ['postgres', 'redis', 'consumer']) {
      await t.rejects(stack.inside('nginx', `getent ahosts ${name}`), `${name} is not known to nginx`)
    }
    await t.rejects(stack.inside('redis', 'getent ahosts nginx'))
    const { stdout } = await run('docker', ['network', 'ls', '--format', '{{.Name}} {{.Internal}}'])
    const isInternal = new Map(stdout.split('\n').map((line) => [line.split(' ')[0], line.endsWith('true')]))
    for (const { Service, Name } of await stack.containers()) {
      const format = '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
      const names = (await run('docker', ['inspect', '--format', format, Name])).stdout.trim().split(' ')
      const waysOut = names.filter((name) => !isInternal.get(name)).map((name) => name.split('_').at(-1))
      t.strictSame(waysOut, { nginx: ['public'], consumer: ['outside'] }[Service] ?? [], `${Service}: ${names}`)
    }
  })

  await t.test('C15 the gateway believes nginx, and nginx nobody', async (t) => {
    const seenBy = (service: string, id: string) =>
      eventually(
        async () => {
          const lines = (await stack.compose('logs', '--no-log-prefix', '--tail', '500', service)).split('\n')
          const line = lines.find((line) => line.includes(`"${id}"`)) ?? ''
          return String(JSON.parse(line.slice(line.indexOf('{'))).ip)
        },
        { pause: 500 }
      )
    const forged = (id: string) => ({
      'x-request-id': id,
      'x-forwarded-for': '198.51.100.7',
      'x-real-ip': '198.51.100.7'
    })
    await fetch(`${stack.url}/sync/`, { headers: forged('from-afar') })
    t.equal(await seenBy('gateway', 'from-afar'), await seenBy('nginx', 'from-afar'))
    t.not(await seenBy('gateway', 'from-afar'), '198.51.100.7')
    // another container on the network of nginx and the gateway
    const options = JSON.stringify({ headers: forged('from-beside') }).replaceAll('"', "'")
    const script = `fetch('http://gateway:3000/sync/', ${options})`
    const image = `beeline:${stack.project}`
    await run('docker', ['run', '--rm', '--network', `${stack.project}_front`, image, 'node', '-e', script])
    t.match(await seenBy('gateway', 'from-beside'), /^172\.|^192\.168\.|^10\./, 'is seen as itself')
  })

  await t.test('B17 with REGISTRY every base image comes from the mirror', async (t) => {
    const mirror = `mirror-${process.pid}.example/library`
    const images = await baseImages()
    t.equal(images.length, 5, images.join())
    const copies = images.map((image) => `${mirror}/${image.split('/').at(-1)}`)
    t.teardown(() => run('docker', ['image', 'rm', ...copies]))
    await Promise.all(images.map((image, i) => run('docker', ['tag', image, copies[i] ?? ''])))
    const env = { ...process.env, ...SECRETS, REGISTRY: mirror }
    const { stdout } = await run('docker', ['compose', 'config', '--images'], { env })
    for (const image of stdout.trim().split('\n')) t.match(image, new RegExp(`^(${mirror}/|beeline)`))
    const build = ['build', '--quiet', '--file', 'infra/nginx/Dockerfile', '--build-arg', `REGISTRY=${mirror}`, '.']
    await t.resolves(run('docker', build), 'and a build finds it there')
    const absent = build.map((arg) => arg.replace(mirror, 'nowhere.invalid/library'))
    await t.rejects(run('docker', absent), /nowhere\.invalid/, 'and nowhere else')
  })
}

const SECRETS = {
  SECRET_KEY: 'x'.repeat(32),
  API_KEY: 'x'.repeat(32),
  DATABASE_OWNER_PASSWORD: 'x',
  DATABASE_PASSWORD: 'x'
}
