import t from 'tap'
import { compile } from '#schema/compile'
import parsePage from '#schema/jobs/parse-page'
import { PageContent } from '#schema/parsed-page'
import { decodePage } from '../../plugins/parsed-pages/charset.js'
import { extract } from '../../plugins/parsed-pages/extract.js'

const BASE = 'https://example.org/a/page.html'
const check = compile(PageContent)
const take = (html: string, base: string | undefined = BASE) => extract({ html, base })

t.test(
  'C2 a page is taken apart: title, description, language, address, headings, links, text, structured data',
  async (t) => {
    const page = take(`<!doctype html>
    <html lang="en-GB"><head>
      <meta charset="utf-8"><title>  Bees &amp;
        Honey </title>
      <meta name="Description" content="All about &quot;bees&quot;">
      <link rel="alternate canonical" href="/bees">
      <meta property="og:title" content="Bees!"><meta property="og:image" content="/1.png"><meta property="og:image" content="/2.png">
      <script type="application/ld+json">{"@context": "https://schema.org", "@type": "Article", "author": {"name": "Ada"}}</script>
      <script type="application/ld+json">[{"@type": "Thing"}, "no object", {"@type": "Person"}]</script>
      <style>body { color: red }</style>
    </head><body>
      <h1>About <em>bees</em></h1><p>They make<br>honey.<p>See <a href="more.html" rel="next nofollow">more
       about <b>them</b></a> or <a href="//example.com/x?y=1#z"><img src="i.png" alt="a picture"></a>.
      <h2>Wax</h2><script>document.write('evil')</script><noscript>no script</noscript>
      <p hidden>secret</p><template><a href="/t">t</a></template>
    </body></html>`)
    t.strictSame(page, {
      title: 'Bees & Honey',
      description: 'All about "bees"',
      language: 'en-GB',
      canonical: 'https://example.org/bees',
      headings: [
        { level: 1, text: 'About bees' },
        { level: 2, text: 'Wax' }
      ],
      links: [
        { url: 'https://example.org/a/more.html', text: 'more about them', rel: 'next nofollow' },
        { url: 'https://example.com/x?y=1#z', text: 'a picture', rel: null }
      ],
      excerpt: 'About bees They make honey. See more about them or . Wax',
      structured: {
        json_ld: [
          { '@context': 'https://schema.org', '@type': 'Article', author: { name: 'Ada' } },
          { '@type': 'Thing' },
          { '@type': 'Person' }
        ],
        open_graph: [
          { property: 'og:title', content: 'Bees!' },
          { property: 'og:image', content: '/1.png' },
          { property: 'og:image', content: '/2.png' }
        ]
      },
      counts: { characters: page.counts.characters, headings: 2, links: 2, json_ld: 3, open_graph: 3 },
      truncated: { headings: false, links: false, excerpt: false, structured: false }
    })
  }
)

t.test(
  'links: from the base that the page names, absolute, of the web; none that runs, mails or stays on the page',
  async (t) => {
    const urls = (html: string, base?: string) => extract({ html, base }).links.map(({ url }) => url)
    const left = [
      'javascript:alert(1)',
      ' JaVaScRiPt:alert(1)',
      'java\nscript:alert(1)',
      '&#106;avascript:alert(1)',
      'data:text/html,x',
      'mailto:a@b.c',
      'tel:1',
      'ftp://a.b/',
      'file:///etc',
      'blob:x',
      '#top',
      'http://',
      'http://[',
      `/${'x'.repeat(3_000)}`
    ]
    t.strictSame(urls(left.map((href) => `<a href="${href}">x</a>`).join(''), BASE), [])
    t.equal(take(left.map((href) => `<a href="${href}">x</a>`).join('')).counts.links, left.length, 'they are counted')
    t.strictSame(urls('<a href="x">x</a><base href="/b/"><base href="/c/"><a href="y">y</a>', BASE), [
      'https://example.org/b/x',
      'https://example.org/b/y'
    ])
    t.strictSame(urls('<base href="javascript:1"><a href="x">x</a>', BASE), ['https://example.org/a/x'])
    t.strictSame(urls('<base href="http://other.test/"><a href="x">x</a>'), ['http://other.test/x'])
    t.strictSame(
      urls('<a href="x">x</a><a href="http://a.test">y</a>'),
      ['http://a.test/'],
      'without a base only absolute ones'
    )
    t.strictSame(urls('<a href=1>one<a href=2>two</a><area href=3 alt=three>', BASE).length, 3)
    t.strictSame(
      take('<a href=1>one<a href=2>two</a> more').links.map(({ text }) => text),
      ['one', 'two']
    )
  }
)

t.test('broken and odd documents are read as well as they can be', async (t) => {
  t.match(take(''), { title: null, excerpt: '', headings: [], links: [] })
  t.match(take('just text & more < 3'), { excerpt: 'just text & more < 3' })
  t.match(take('<h1>never closed<h2>nor this<p>text'), {
    headings: [
      { level: 1, text: 'never closed' },
      { level: 2, text: 'nor this' }
    ]
  })
  t.match(take('</div></p></html></body><h1>x</h3></h1>'), { headings: [{ level: 1, text: 'x' }] })
  t.match(take('<TITLE>Loud</TITLE><H1 CLASS=x>H</H1><A HREF=/Z>Z</A>'), {
    title: 'Loud',
    links: [{ url: 'https://example.org/Z' }]
  })
  t.match(take('<title>first</title><title>second</title><svg><title>third</title></svg>'), { title: 'first' })
  t.match(take('<title>&lt;b&gt;&#x3c;/title&#x3e;</title>'), { title: '<b></title>' })
  t.match(take('<title></title><meta property=og:title content=T>'), { title: 'T' })
  t.match(take('<html lang="<script>"><p>x'), { language: null })
  t.match(take('<a href="/x" title="a>b">q</a><!-- <a href=/no>no</a> --><![CDATA[ <a href=/c>c</a> ]]>'), {
    links: [{ url: 'https://example.org/x', text: 'q' }]
  })
  t.match(take('a&nbsp;b&notin;&amp;amp;&#0;&#xD800;&#x110000;&unknown;&ampx'), { excerpt: /^a b∉&amp;/ })
  t.match(take('<script>if (a < b) { "</scr" }</script>after'), { excerpt: 'after' })
  t.match(take('<style>never closed <h1>x</h1>'), { headings: [], excerpt: '' })
})

t.test('NUL, control characters and half characters never come out', async (t) => {
  const bad = 'a\0b\u0007c\ud800d\udc00e\u0085f'
  const page = take(`<html lang="en"><title>${bad}</title><meta name=description content="${bad}"><h1>${bad}</h1>
    <a href="/${bad}" rel="${bad}">${bad}</a><meta property="og:x\0" content="${bad}">
    <script type="application/ld+json">{"k\\u0000\\ud800": "v\\u0000\\ud800", "__proto__": {"x": 1e999}}</script>`)
  t.equal(check(page).errors, undefined, 'it can be stored')
  t.equal(page.title, 'a b c\ufffdd\ufffde f')
})

const HOSTILE: Record<string, string> = {
  'deep nesting': `${'<div>'.repeat(20_000)}x`,
  'deep nesting within links and headings': `${'<a href=/x><h1>'.repeat(5_000)}x`,
  'a huge attribute': `<a href="/${'x'.repeat(500_000)}" rel="${'y '.repeat(200_000)}">x</a>`,
  'many attributes': `<a ${Array.from({ length: 50_000 }, (_, i) => `a${i}`).join(' ')} href=/x>x</a>`,
  '100,000 links': '<a href=/x>y</a>'.repeat(100_000),
  'long links': Array.from(
    { length: 1_000 },
    (_, i) => `<a href="/${i}${'%22'.repeat(500)}">${'"'.repeat(300)}</a>`
  ).join(''),
  '100,000 headings': '<h1>x</h1>'.repeat(100_000),
  'long headings': `<h1>${'\\'.repeat(2_000)}</h1>`.repeat(500),
  'long text': '"\\😀'.repeat(200_000),
  entities: '&amp;&#x1F41D;'.repeat(70_000),
  'deep JSON': `<script type="application/ld+json">${'{"a":['.repeat(50_000)}${']}'.repeat(50_000)}</script>`,
  'broken JSON': `<script type="application/ld+json">${'['.repeat(300_000)}</script>`,
  'wide JSON': `<script type="application/ld+json">{${Array.from({ length: 20_000 }, (_, i) => `"k${i}": "${'v'.repeat(10)}"`).join()}}</script>`,
  'long JSON': `<script type="application/ld+json">{"a": [${`"${'w'.repeat(3_000)}",`.repeat(200)}1]}</script>`.repeat(
    3
  ),
  'much JSON': `<script type="application/ld+json">${JSON.stringify(Array.from({ length: 1_000 }, () => ({ a: 'b'.repeat(1_900) })))}</script>`,
  'much Open Graph': `<meta property="og:${'n'.repeat(500)}" content="${'"'.repeat(5_000)}">`.repeat(100),
  'long meta': `<title>${'é'.repeat(100_000)}</title><meta name=description content="${'é'.repeat(100_000)}"><html lang="${'a-'.repeat(1_000)}">`
}

t.test('hostile documents: each result fits its schema, and has less than 256 KB', async (t) => {
  for (const [kind, html] of Object.entries(HOSTILE)) {
    const page = take(html)
    const { errors } = check(page)
    t.strictSame(errors, undefined, kind)
    t.ok(Buffer.byteLength(JSON.stringify(page)) < 240_000, `${kind}: ${Buffer.byteLength(JSON.stringify(page))} bytes`)
  }
  t.match(take(HOSTILE['100,000 links'] ?? ''), {
    counts: { links: 100_000 },
    truncated: { links: true, excerpt: true }
  })
  t.match(take(HOSTILE['100,000 headings'] ?? ''), { counts: { headings: 100_000 }, truncated: { headings: true } })
  t.match(take(HOSTILE['much JSON'] ?? ''), { counts: { json_ld: 1_000 }, truncated: { structured: true } })
  const all = take(Object.values(HOSTILE).reverse().join('\n').replaceAll('<div>', ''))
  t.equal(check(all).errors, undefined)
  t.ok(Buffer.byteLength(JSON.stringify(all)) < 256_000, `all at once: ${Buffer.byteLength(JSON.stringify(all))} bytes`)
})

t.test('the payload is a page or a document, not both, and no address that is none', async (t) => {
  const payload = compile(parsePage.payload)
  for (const good of [
    { url: 'https://a.test/' },
    { url: 'HTTP://a.test:8080/x' },
    { document: '<p>' },
    { document: 'x', base_url: 'http://a.test/' }
  ])
    t.equal(payload(good).errors, undefined, JSON.stringify(good))
  for (const bad of [
    {},
    { url: '' },
    { url: 'a.test' },
    { url: 'ftp://a.test' },
    { url: 'http://u:p@example.org/' },
    { url: 'http://' },
    { url: `http://a.test/${'x'.repeat(2_000)}` },
    { url: 'http://a.test/', document: 'x' },
    { document: '' },
    { document: 'x'.repeat(1_048_577) },
    { document: 'a\0b' },
    { document: 'x', base_url: 'javascript:1' },
    { document: 1 },
    { url: null },
    [],
    'http://a.test/',
    null
  ])
    t.ok(payload(bad).errors?.length, JSON.stringify(bad)?.slice(0, 60))
})

t.test('what is wrong with a payload is said about the shape that was meant', async (t) => {
  const payload = compile(parsePage.payload)
  const faults = (value: unknown) => payload(value).errors?.map(({ pointer, detail }) => `${pointer} ${detail}`)
  const address = 'must be an address of http or https without a name or password'
  t.strictSame(faults({ url: 'nope' }), [`/url ${address}`])
  t.strictSame(faults({ document: 1 }), ['/document must be a string'])
  t.strictSame(faults({ document: 'x', base_url: 'y' }), [`/base_url ${address}`])
  t.strictSame(faults({ base_url: 'http://a.test' }), ['/document is required'])
  t.strictSame(faults({ url: 'http://a.test', document: 'x' }), ['/document is not a known field'])
  t.strictSame(faults({}), [' must have url, or document'])
  t.strictSame(faults({ page: 1 }), [' must have url, or document'])
  t.strictSame(faults([]), [' must be an object'])
  t.strictSame(faults(null), [' must be an object'])
})

const bytes = (...codes: number[]) => Uint8Array.from(codes)
const latin = (text: string) => Buffer.from(text, 'latin1')
const join = (...parts: Uint8Array[]) => Buffer.concat(parts)

t.test('character sets: by mark, by header, by the page, by looks', async (t) => {
  const html = 'text/html'
  const cases: [string, Uint8Array, string, string, string][] = [
    ['UTF-8 by looks', Buffer.from('grün 🐝'), html, 'grün 🐝', 'utf-8'],
    ['windows-1252 by looks', latin('gr\xfcn \x80 \x93x\x94'), html, 'grün € “x”', 'windows-1252'],
    ['header', latin('\x80\x92'), `${html}; charset=ISO-8859-1`, '€’', 'windows-1252'],
    ['header in quotes', latin('\xb1\xe6\xea'), `${html};CharSet="iso-8859-2"`, 'ąćę', 'iso-8859-2'],
    ['shift_jis', bytes(0x83, 0x6e, 0x83, 0x60), `${html}; charset=Shift_JIS`, 'ハチ', 'shift_jis'],
    ['gbk', bytes(0xc3, 0xdb, 0xb7, 0xe4), `${html}; charset=gb2312`, '蜜蜂', 'gbk'],
    ['euc-kr', bytes(0xb9, 0xfa), `${html}; charset=euc-kr`, '벌', 'euc-kr'],
    ['koi8-r', bytes(0xd0, 0xde, 0xc5, 0xcc, 0xc1), `${html}; charset=koi8-r`, 'пчела', 'koi8-r'],
    ['windows-1251', bytes(0xef, 0xf7, 0xe5, 0xeb, 0xe0), `${html}; charset=cp1251`, 'пчела', 'windows-1251'],
    ['UTF-16, little end', join(bytes(0xff, 0xfe), Buffer.from('蜂', 'utf16le')), html, '蜂', 'utf-16le'],
    ['UTF-16, big end', bytes(0xfe, 0xff, 0x87, 0x02), html, '蜂', 'utf-16be'],
    ['UTF-16 by header', Buffer.from('蜂', 'utf16le'), `${html}; charset=utf-16`, '蜂', 'utf-16le'],
    ['mark before header', join(bytes(0xef, 0xbb, 0xbf), Buffer.from('ü')), `${html}; charset=latin1`, 'ü', 'utf-8'],
    ['meta charset', latin('<meta charset="iso-8859-2">\xb1'), html, '<meta charset="iso-8859-2">ą', 'iso-8859-2'],
    [
      'meta http-equiv',
      latin("<META http-equiv=Content-Type content='text/html; charset=koi8-r'>\xd0"),
      html,
      "<META http-equiv=Content-Type content='text/html; charset=koi8-r'>п",
      'koi8-r'
    ],
    [
      'meta in a comment',
      latin('<!-- <meta charset=koi8-r> -->\xfc'),
      html,
      '<!-- <meta charset=koi8-r> -->ü',
      'windows-1252'
    ],
    ['meta that says UTF-16', Buffer.from('<meta charset=utf-16>ü'), html, '<meta charset=utf-16>ü', 'utf-8'],
    [
      'header before meta',
      latin('<meta charset=koi8-r>\xb1'),
      `${html}; charset=iso-8859-2`,
      '<meta charset=koi8-r>ą',
      'iso-8859-2'
    ],
    ['a name that nobody knows', latin('\xfc'), `${html}; charset=klingon`, 'ü', 'windows-1252'],
    ['a name that must not be used', latin('\xfc'), `${html}; charset=iso-2022-kr`, 'ü', 'windows-1252'],
    ['broken UTF-8', join(Buffer.from('ü'), bytes(0xff)), `${html}; charset=utf-8`, 'ü\ufffd', 'utf-8'],
    ['nothing', bytes(), html, '', 'utf-8']
  ]
  for (const [kind, body, contentType, text, charset] of cases)
    t.strictSame(decodePage(body, contentType), { text, charset }, kind)
})
