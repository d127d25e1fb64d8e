/** Names in a database whose locale has its own idea of small letters. */
import pg from 'pg'
import t from 'tap'
import { uuidv7 } from 'uuidv7'
import { migrate } from '../../infra/postgres/migrate.js'
import { findLogin, insertUser } from '../../plugins/auth/queries/users.js'
import { startPostgres } from '../helpers/services.js'
import { connect } from '../helpers/stack.js'

const postgres = await startPostgres(t)

t.test('an account is found under one name alone, by which guesses are counted', async (t) => {
  await connect(
    t,
    postgres.ownerUrl
  )(`create database unicode template template0 locale_provider builtin builtin_locale 'C.UTF-8'`)
  const [url = '', ownerUrl = ''] = [postgres.url, postgres.ownerUrl].map((address) =>
    Object.assign(new URL(address), { pathname: '/unicode' }).toString()
  )
  await migrate({ ownerUrl, appUrl: url })
  const db = new pg.Pool({ connectionString: url, max: 1 })
  t.teardown(() => db.end())
  t.match((await db.query(`select lower('İ') = 'i' as so`)).rows, [{ so: true }], 'a trap for who lets Postgres do it')
  await insertUser(db, { id: uuidv7(), username: 'Alice', passwordHash: 'x' })
  t.match(await findLogin(db, 'alice', ''), { username: 'alice' })
  t.equal(await findLogin(db, 'alİce', ''), undefined)
})
