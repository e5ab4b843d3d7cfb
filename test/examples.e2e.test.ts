import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { databaseFor } from './example-database.ts'

const root = join(import.meta.dirname, '..')

/** Each example is started as a user starts it. Where a page says what it prints, the page has to be right. */
const examples: readonly { readonly file: string; readonly prints: string; readonly page?: string }[] = [
  { file: 'examples/first-message.ts', prints: 'mail: order A-1 is reserved', page: 'README.md' },
  { file: 'examples/your-own-postgres.ts', prints: 'seen: A-1, A-3' },
  {
    file: 'examples/later.ts',
    prints: 'cancelled: true\nhalf a second has passed',
    page: 'docs/guides/quick-start.md',
  },
  { file: 'examples/versions.ts', prints: 'version 2: Ada\norders', page: 'docs/guides/quick-start.md' },
  { file: 'examples/two-services.ts', prints: 'A-1 of web-shop is packed', page: 'docs/guides/quick-start.md' },
  {
    file: 'examples/retries.ts',
    prints:
      'A-1 deposit, attempt 3; A-1 balance, attempt 1\n' +
      'payment.due of B-2: handler-decided after attempt 1: the card has expired\n' +
      'replayed 1, discarded 0: B-2 deposit, attempt 1',
    page: 'docs/guides/retries-and-dead-letters.md',
  },
  { file: 'examples/sagas/run.ts', prints: 'order A-1 is confirmed', page: 'docs/guides/sagas.md' },
  { file: 'examples/clients/drizzle.ts', prints: "[ { orderId: 'A-1' } ]" },
  { file: 'examples/clients/typeorm.ts', prints: "[ { orderId: 'A-1' } ]" },
  { file: 'examples/clients/kysely.ts', prints: "[ { order_id: 'A-1' } ]" },
  { file: 'examples/clients/knex.ts', prints: "[ { order_id: 'A-1' } ]" },
  { file: 'examples/clients/mikro-orm.ts', prints: "[ { order_id: 'A-1' } ]" },
  { file: 'examples/clients/postgres-js.ts', prints: "[ { order_id: 'A-1' } ]" },
  { file: 'examples/clients/prisma.ts', prints: "[ { id: 'A-1', reserved: true } ]" },
  {
    file: 'examples/operating/history.ts',
    prints: '2 match, 2 known; 0 missed, 2 run again\nA-1 20, B-2 20',
    page: 'docs/guides/replay.md',
  },
  { file: 'examples/operating/relay-state.ts', prints: 'pings one waits: its queue is full' },
  { file: 'examples/operating/metrics.ts', prints: 'applied ping by metrics: 1\npublished ping: 1' },
  { file: 'examples/transport/use-it.ts', prints: 'hub-shop has sold A-1', page: 'docs/guides/adding-a-transport.md' },
]

/** Where the examples keep the server they bring: they all share it, as processes of one folder do. */
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'acuse-examples-'))
  // Started by root, that server runs as a user of its own, which must get through to its data.
  await chmod(folder, 0o755)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

test.each(examples)('$file prints what its page says', async ({ file, prints, page }) => {
  const DATABASE_URL = await databaseFor('script', inject('adminUrl'))
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@acuse/source', join(root, file)],
    { cwd: folder, env: { ...process.env, DATABASE_URL, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1' }, timeout: 120_000 },
  )
  expect(stderr).toBe('')
  expect(stdout.trim()).toBe(prints)
  if (page !== undefined) expect(readFileSync(join(root, page), 'utf8')).toContain(`\`\`\`text\n${prints}\n\`\`\``)
})
