/** A web page, or a document of HTML, taken apart. Every part is bounded; `truncated` says where something was left out. */
import Type, { type Static } from 'typebox'
import Format from 'typebox/format'
import { Timestamp } from './job.js'

const LONGEST_ADDRESS = 2_000

Format.Set('web-address', (text) => {
  if (!/^https?:/i.test(text) || !URL.canParse(text)) return false
  const { username, password } = new URL(text)
  return !username && !password
})

const webAddress = (description: string) =>
  Type.String({
    format: 'web-address',
    form: 'an address of http or https without a name or password',
    maxLength: LONGEST_ADDRESS,
    description
  })

/** Either a page to fetch, or a document that is here already. */
export const PageSource = Type.Union([
  Type.Object({ url: webAddress('page to fetch') }, { title: 'A page', additionalProperties: false }),
  Type.Object(
    {
      document: Type.String({ minLength: 1, maxLength: 1_048_576, description: 'HTML, at most 1 MiB of text' }),
      base_url: Type.Optional(webAddress('where the document is from: its links are read from there'))
    },
    { title: 'A document', additionalProperties: false }
  )
])
export type PageSource = Static<typeof PageSource>

/** Most that a part may have: characters of a text, entries of a list. Bytes are of the part as JSON. */
export const MOST = {
  address: LONGEST_ADDRESS,
  title: 500,
  description: 2_000,
  language: 35,
  excerpt: 5_000,
  headings: 200,
  headingText: 300,
  headingBytes: 32_768,
  links: 1_000,
  linkText: 200,
  rel: 100,
  linkBytes: 98_304,
  jsonLd: 20,
  jsonLdFields: 100,
  jsonLdBytes: 49_152,
  openGraph: 50,
  openGraphName: 100,
  openGraphText: 1_000,
  openGraphBytes: 16_384
} as const

const text = (maxLength: number) => Type.String({ maxLength })
const orNull = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(schema: T) =>
  Type.Union([schema, Type.Null()])

/** What the parser finds in a document. */
export const PageContent = Type.Object(
  {
    title: orNull(text(MOST.title)),
    description: orNull(text(MOST.description)),
    language: orNull(text(MOST.language)),
    canonical: orNull(text(MOST.address)),
    headings: Type.Array(
      Type.Object(
        { level: Type.Integer({ minimum: 1, maximum: 6 }), text: text(MOST.headingText) },
        { additionalProperties: false }
      ),
      { maxItems: MOST.headings }
    ),
    links: Type.Array(
      Type.Object(
        { url: text(MOST.address), text: text(MOST.linkText), rel: orNull(text(MOST.rel)) },
        { additionalProperties: false }
      ),
      { maxItems: MOST.links }
    ),
    excerpt: text(MOST.excerpt),
    structured: Type.Object(
      {
        json_ld: Type.Array(Type.Object({}, { additionalProperties: true, maxProperties: MOST.jsonLdFields }), {
          maxItems: MOST.jsonLd
        }),
        open_graph: Type.Array(
          Type.Object(
            { property: text(MOST.openGraphName), content: text(MOST.openGraphText) },
            { additionalProperties: false }
          ),
          { maxItems: MOST.openGraph }
        )
      },
      { additionalProperties: false }
    ),
    counts: Type.Object(
      {
        characters: Type.Integer({ minimum: 0, description: 'of the document' }),
        headings: Type.Integer({ minimum: 0 }),
        links: Type.Integer({ minimum: 0 }),
        json_ld: Type.Integer({ minimum: 0 }),
        open_graph: Type.Integer({ minimum: 0 })
      },
      { additionalProperties: false, description: 'how many there are, those left out included' }
    ),
    truncated: Type.Object(
      {
        headings: Type.Boolean(),
        links: Type.Boolean(),
        excerpt: Type.Boolean(),
        structured: Type.Boolean()
      },
      { additionalProperties: false, description: 'where something was left out or cut' }
    )
  },
  { additionalProperties: false }
)
export type PageContent = Static<typeof PageContent>

export const ParsedPage = Type.Object(
  {
    url: orNull(text(MOST.address)),
    final_url: orNull(text(MOST.address)),
    status: orNull(Type.Integer({ minimum: 100, maximum: 599 })),
    charset: Type.String({ maxLength: 40 }),
    fetched_at: Timestamp,
    ...PageContent.properties
  },
  { title: 'ParsedPage', additionalProperties: false }
)
export type ParsedPage = Static<typeof ParsedPage>
