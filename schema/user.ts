/** Users: who they are, what they may do, and what they prove it with. */
import Type, { type Static } from 'typebox'
import { Timestamp, Uuid } from './job.js'
import { NOT_BLANK } from './not-blank.js'

/** A user has what is theirs; an operator has what is everyone's. */
export const Role = Type.Union([Type.Literal('user'), Type.Literal('operator')])
export type Role = Static<typeof Role>

/**
 * What a token or key may be used for: `read` and `write` what is its user's, `account` to manage the account itself, `operate`
 * to act as an operator, which only operators have.
 */
export const SCOPES = ['read', 'write', 'account', 'operate'] as const
export type Scope = (typeof SCOPES)[number]
// a union over a mapped list forgets its members
export const Scope = Type.Unsafe<Scope>(Type.Union(SCOPES.map((scope) => Type.Literal(scope))))

/** All that a user of this role may be given. */
export const scopesOf = (role: Role): readonly Scope[] =>
  role === 'operator' ? SCOPES : SCOPES.filter((scope) => scope !== 'operate')

/** Who sends a request. */
export interface Principal {
  /** Null: the one key of the environment, which is nobody's. */
  userId: string | null
  /** As far as the scopes allow: an operator without the scope `operate` acts as a user. */
  role: Role
  scopes: readonly string[]
  /** The log-in, when it is one. */
  sessionId?: string
  /** It is a browser's: shown by its cookie, which the browser sends whoever asks it to. */
  browser?: true
}

/** Whose rows a caller may see: an operator everyone's, a user their own, somebody unknown nobody's. */
export const ownerSeenBy = (principal: Principal | null): { ownerId?: string } =>
  principal?.role === 'operator' ? {} : { ownerId: principal?.userId ?? NOBODY }

/** No user has it. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

export const Username = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._@+-]{1,99}$',
  minLength: 2,
  maxLength: 100,
  form: 'a letter or digit, then letters, digits and . _ @ + -',
  description: 'letters, digits and . _ @ + -, so that an e-mail address fits; capitals do not count'
})

/** Nothing is cut off or left out; which ones are too easy is said when they are sent. */
export const Password = Type.String({ minLength: 8, maxLength: 128 })

export const NewUser = Type.Object(
  { username: Username, password: Password },
  { title: 'NewUser', additionalProperties: false }
)
export type NewUser = Static<typeof NewUser>

export const User = Type.Object(
  { id: Uuid, username: Type.String({ maxLength: 100 }), role: Role, created_at: Timestamp },
  { title: 'User', additionalProperties: false }
)
export type User = Static<typeof User>

export const ApiKeyName = Type.String({ ...NOT_BLANK, maxLength: 100, description: 'for people: what it is for' })
const Scopes = Type.Array(Scope, { minItems: 1, maxItems: SCOPES.length, uniqueItems: true })

export const NewApiKey = Type.Object(
  {
    name: ApiKeyName,
    scopes: Type.Optional(Scopes),
    expires_in_days: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_650 }))
  },
  { title: 'NewApiKey', additionalProperties: false }
)
export type NewApiKey = Static<typeof NewApiKey>

const orNull = <T extends typeof Timestamp>(schema: T) => Type.Union([schema, Type.Null()])

/** A key as it is listed: of the key itself only its first letters. */
export const ApiKey = Type.Object(
  {
    id: Uuid,
    name: ApiKeyName,
    prefix: Type.String({ maxLength: 40 }),
    scopes: Scopes,
    created_at: Timestamp,
    expires_at: orNull(Timestamp),
    last_used_at: orNull(Timestamp)
  },
  { title: 'ApiKey', additionalProperties: false }
)
export type ApiKey = Static<typeof ApiKey>

/** The only answer that holds the key itself. */
export const CreatedApiKey = Type.Object(
  { ...ApiKey.properties, key: Type.String({ maxLength: 100, description: 'shown this once' }) },
  { title: 'CreatedApiKey', additionalProperties: false }
)

/** A log-in that has not ended. */
export const Session = Type.Object(
  {
    id: Uuid,
    kind: Type.Union([Type.Literal('browser'), Type.Literal('tokens')]),
    scopes: Scopes,
    user_agent: Type.String({ maxLength: 300 }),
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    current: Type.Boolean({ description: 'the one that asks' })
  },
  { title: 'Session', additionalProperties: false }
)
export type Session = Static<typeof Session>

/** Answer of the token endpoint (RFC 6749 §5.1). */
export const TokenAnswer = Type.Object(
  {
    access_token: Type.String({ maxLength: 2_000 }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ minimum: 0, description: 'in seconds' }),
    refresh_token: Type.String({ maxLength: 100 }),
    scope: Type.String({ maxLength: 200 })
  },
  { title: 'TokenAnswer', additionalProperties: false }
)
export type TokenAnswer = Static<typeof TokenAnswer>

/** Error of the token endpoint (RFC 6749 §5.2): the one place that does not answer with a problem. */
export const TokenError = Type.Object(
  { error: Type.String({ maxLength: 60 }), error_description: Type.String({ maxLength: 500 }) },
  { title: 'TokenError', additionalProperties: false }
)
export type TokenError = Static<typeof TokenError>
