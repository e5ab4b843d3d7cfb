import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newest, readVectors } from './vectors/vectors.ts'

const root = join(import.meta.dirname, '..')
const page = join(root, 'docs/guides/other-languages.md')
const isWritten = process.env['UPDATE_GOLDEN'] === '1'

type Tree = Readonly<Record<string, unknown>>

const transports = ['rabbitmq', 'kafka', 'nats', 'redis', 'postgres']
/** Where a transport has what the codec calls the body. */
const bodies = new Set(['body', 'value', 'fields acuse-body'])

/** The message of the page, on a transport, in both codecs. */
function tableOf(transport: string): string {
  const [plain, event] = ['plain', 'cloudevents'].map((codec) => placesOf(vector(`${transport}/${codec}`, 'keyed')))
  const places = [...new Set([...(plain?.keys() ?? []), ...(event?.keys() ?? [])])]
  const last = places.toSorted((one, other) => Number(bodies.has(one)) - Number(bodies.has(other)))
  const rows = last.map((place) =>
    bodies.has(place)
      ? [place, 'the envelope', 'the data']
      : [place, shown(plain?.get(place)), shown(event?.get(place))],
  )
  return table(['', 'plain envelope', 'CloudEvents'], rows)
}

function vector(file: string, name: string): Tree {
  const found = readVectors<Tree>(newest, file)[name]
  if (found === undefined) throw new Error(`${file} has no vector ${name}.`)
  return found
}

/** `headers` of `{ headers: { a: 1 } }` are the places `headers a`. */
function placesOf(tree: Tree): ReadonlyMap<string, unknown> {
  const places = Object.entries(tree).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value).map(([inner, text]) => [`${name} \`${inner}\``, text] as const)
      : [[name, value] as const],
  )
  return new Map(places.map(([name, value]) => [name === 'fields `acuse-body`' ? 'fields acuse-body' : name, value]))
}

function shown(value: unknown): string {
  return value === undefined ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function partitionsTable(): string {
  interface Hashed {
    readonly hash: number
    readonly partitions: Readonly<Record<string, number>>
  }
  const rows = Object.entries(readVectors<Hashed>(newest, 'partitions')).map(([key, { hash, partitions }]) => [
    key === '' ? 'empty' : `\`${key}\``,
    String(hash),
    String(partitions['4']),
    String(partitions['12']),
  ])
  return table(['key', 'CRC-32', 'of 4', 'of 12'], rows)
}

function plainBody(): string {
  const { body } = vector('rabbitmq/plain', 'keyed') as { readonly body: string }
  return `\`\`\`json\n${JSON.stringify(JSON.parse(body), null, 2)}\n\`\`\``
}

test('the tables of the page are the golden vectors', () => {
  const parts = new Map(transports.map((transport) => [transport, tableOf(transport)]))
  parts.set('partitions', partitionsTable()).set('plain-body', plainBody())
  const text = readFileSync(page, 'utf8')
  const marked = /(<!-- vectors (?<part>[\w-]+) -->\n)[^]*?(<!-- end -->)/g
  const found = [...text.matchAll(marked)].map(({ groups }) => groups?.['part'] ?? '')
  expect(found.toSorted()).toEqual([...parts.keys()].toSorted())
  const right = text.replace(
    marked,
    (_, begin: string, part: string, end: string) => `${begin}${parts.get(part)}\n${end}`,
  )
  if (isWritten) writeFileSync(page, right)
  expect(readFileSync(page, 'utf8')).toBe(right)
})

test('the statement of the page is the one that is run', () => {
  const sql = readFileSync(join(root, 'examples/other-languages/append.sql'), 'utf8')
  expect(readFileSync(page, 'utf8')).toContain(`\`\`\`sql\n${sql}\`\`\``)
})
