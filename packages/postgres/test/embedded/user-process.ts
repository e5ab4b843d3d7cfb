import pg from 'pg'

// A user of an embedded server in a process of its own: it starts or joins the server of the folder in argv, says so, and does
// what it is told. The module under test is named in argv too, so that a build can be tried as well as the source.

export type Order = { readonly do: 'stop' | 'exit' | 'end' } | { readonly do: 'query'; readonly sql: string }

export type Answer =
  | {
      readonly is: 'started'
      readonly pid: number
      readonly port: number
      readonly url: string
      readonly folder: string
    }
  | { readonly is: 'failed'; readonly message: string; readonly code: string }
  | { readonly is: 'rows'; readonly rows: Record<string, unknown>[] }
  | { readonly is: 'stopped' }

const [, , module = '', options = '{}'] = process.argv
const { startEmbedded } = (await import(module)) as typeof import('../../src/embedded/index.ts')

function answer(message: Answer): void {
  process.send?.(message)
}

try {
  const server = await startEmbedded(JSON.parse(options) as Parameters<typeof startEmbedded>[0])
  process.on('message', (order: Order) => void obey(order))
  answer({ is: 'started', pid: server.pid, port: server.port, url: server.url(), folder: server.folder })

  async function obey(order: Order): Promise<void> {
    if (order.do === 'query') answer({ is: 'rows', rows: await query(server.url(), order.sql) })
    if (order.do === 'stop') {
      await server.stop()
      answer({ is: 'stopped' })
    }
    if (order.do === 'exit') process.exit()
    if (order.do === 'end') process.disconnect()
  }
} catch (error) {
  const { message, code = '' } = error as Error & { code?: string }
  answer({ is: 'failed', message, code })
  process.disconnect()
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
