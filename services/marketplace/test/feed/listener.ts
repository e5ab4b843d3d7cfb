import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { onTestFinished } from 'vitest'

/** What became of one request; `drop` closes its connection without an answer. */
export type Reply = { status: number; body: unknown } | 'drop'

export interface Listener {
  url: string
  /** Requests as `POST /orders`, in the order they came. */
  requests: string[]
}

/** An HTTP server that answers as it is told, to see what a client makes of it. */
export async function listen(reply: (request: string, body: unknown, count: number) => Reply): Promise<Listener> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const what = `${request.method} ${request.url}`
      requests.push(what)
      const text = Buffer.concat(chunks).toString()
      const answer = reply(what, text === '' ? undefined : JSON.parse(text), requests.length)
      if (answer === 'drop') response.destroy()
      else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests }
}
