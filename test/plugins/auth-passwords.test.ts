import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { createGate } from '../../plugins/auth/gate.js'
import { createPasswords } from '../../plugins/auth/passwords.js'
import { createRecent } from '../../plugins/auth/recent.js'
import { createFindWeakness } from '../../plugins/auth/weak-passwords.js'

const passwords = createPasswords()
const findWeakness = createFindWeakness()

t.test('A15 a password is kept as argon2id with its parameters, and none is cut', async (t) => {
  const long = 'b'.repeat(100)
  const hashed = await passwords.hash(`${long}1`)
  t.match(hashed, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.equal(await passwords.verify(`${long}1`, hashed), true)
  t.equal(await passwords.verify(`${long}2`, hashed), false, 'the 101st character counts')
  t.not(await passwords.hash(`${long}1`), hashed, 'each hash has its own salt')
  t.equal(passwords.isOutdated(hashed), false)
  t.equal(passwords.isOutdated('$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0c2E$aGFzaGhhc2hoYXNoaGFzaA'), true)
})

t.test('the same characters from another keyboard are the same password', async (t) => {
  const hashed = await passwords.hash('crème brûlée'.normalize('NFD'))
  t.equal(await passwords.verify('crème brûlée'.normalize('NFC'), hashed), true)
})

t.test('an account that is not there costs as much as one that is', async (t) => {
  const hashed = await passwords.hash('six quiet bees')
  await passwords.verify('warm up', undefined)
  const measure = async (hash: string | undefined) => {
    const began = performance.now()
    t.equal(await passwords.verify('wrong guess', hash), false)
    return performance.now() - began
  }
  // by turns, and the fastest of each: a busy machine slows both
  let [known, unknown] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let i = 0; i < 12; i++) {
    known = Math.min(known, await measure(hashed))
    unknown = Math.min(unknown, await measure(undefined))
  }
  t.ok(unknown > known / 2 && unknown < known * 2, `${known} ms and ${unknown} ms`)
})

t.test('few are hashed at once, some wait, and beyond that it is 503 at once', async (t) => {
  const gate = createGate({ atOnce: 2, mostWaiting: 3 })
  const ends: (() => void)[] = []
  let running = 0
  let most = 0
  const work = () =>
    gate(async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => ends.push(resolve))
      running -= 1
    })
  const all = [1, 2, 3, 4, 5].map(work)
  await t.rejects(work(), { statusCode: 503, code: 'TOO_MANY_LOGINS' })
  for (let ended = 0; ended < 5; ended++) {
    while (!ends.length) await new Promise((resolve) => setImmediate(resolve))
    ends.shift()?.()
  }
  await Promise.all(all)
  t.equal(most, 2)
  await t.rejects(
    gate(() => Promise.reject(new Error('it failed'))),
    { message: 'it failed' }
  )
  t.equal(await gate(async () => 'next'), 'next', 'a failure frees its place')
})

t.test('passwords that are guessed first are named as such', async (t) => {
  const weak = [
    ...['password', 'Password1!', 'qwerty12', 'letmein123', 'welcome123', '12345678', 'abcdefgh', '87654321'],
    ...['aaaabbbb', 'iloveyou2', 'P@ssw0rd', 'trustno1', 'beebeebeebee', 'dragon99', 'ada-lovelace-1'],
    ...['sunshine', 'football', 'monkey123', 'superman', '1q2w3e4r', 'zaq12wsx', 'beeline1', 'ｐａｓｓｗｏｒｄ１'],
    ...['Rosebud2024!', 'schnecke1', 'spartan117', 'Passwort123', 'p@ssword!!', 'michelle1999']
  ]
  for (const password of weak) t.ok(findWeakness(password, 'Lovelace@example.org'), password)
  const good = [
    'six quiet bees',
    'correct horse battery staple',
    'password for the bees',
    'x7Kp!q2Rw',
    'k4839201748392',
    'Honigwabe-im-Garten',
    'ñandú y abejas',
    'dragon","monkey',
    '["123456"'
  ]
  for (const password of good) t.equal(findWeakness(password, 'lovelace'), undefined, password)
})

t.test(
  'of the most common passwords that are long enough the first 3,000 are refused, and the others of the list',
  async (t) => {
    const { default: common } = await import('@zxcvbn-ts/language-common/src/passwords.json', {
      with: { type: 'json' }
    })
    const long = common.filter((password) => password.length >= 8)
    t.ok(long.length > 15_000, `${long.length} that are long enough`)
    const asked = [...long.slice(0, 3_000), ...long.slice(3_000).filter((_, i) => i % 20 === 0)]
    const passed: string[] = []
    for (const password of asked) if (!findWeakness(password, 'nobody')) passed.push(password)
    t.strictSame(passed, [])
  }
)

t.test('the list of common passwords is read when it is needed, and takes half a megabyte', async (t) => {
  const path = import.meta.resolve('../../plugins/auth/weak-passwords.js')
  const script = `
    const held = async () => { for (let i = 0; i < 3; i++) { gc(); await new Promise(setImmediate) } const { heapUsed, external } = process.memoryUsage(); return heapUsed + external }
    const { createFindWeakness } = await import('${path}')
    const findWeakness = createFindWeakness()
    const before = await held()
    findWeakness('six quiet bees', 'nobody')
    console.log((await held()) - before)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--input-type=module', '-e', script])
  t.ok(Number(stdout) < 600_000, `${stdout.trim()} bytes`)
})

t.test('what was looked up is used for a moment, never longer, and few are kept', async (t) => {
  let asked = 0
  const values = new Map([['a', 1]])
  const recent = createRecent(
    async (key: string) => {
      asked += 1
      return values.get(key)
    },
    { ttlMs: 50, most: 2 }
  )
  t.strictSame([await recent.get('a'), await recent.get('a'), asked], [1, 1, 1])
  values.set('a', 2)
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.equal(await recent.get('a'), 2)
  values.delete('a')
  recent.forget('a')
  t.equal(await recent.get('a'), undefined, 'what is gone is forgotten')
  for (const key of ['b', 'c', 'd']) {
    values.set(key, 1)
    await recent.get(key)
  }
  t.equal(recent.size(), 2)
})
