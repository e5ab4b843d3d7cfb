import { randomUUID } from 'node:crypto'
import { converse } from '../src/conversation.ts'
import { startNats, type NatsRelease } from '../src/nats/server.ts'
import { testServer } from './contract.ts'
import { assertContains } from './support.ts'

const releases: readonly NatsRelease[] = ['2.9', '2.10']

/** Asks JetStream something, and answers its JSON. */
async function ask(port: number, subject: string, question: object): Promise<string> {
  const inbox = `_INBOX.${randomUUID()}`
  const body = JSON.stringify(question)
  const request = `CONNECT {"verbose":false}\r\nSUB ${inbox} 1\r\nPUB ${subject} ${inbox} ${body.length}\r\n${body}\r\n`
  return await converse(port, request, (received) => /\r\nMSG [^]*?\r\n(\{.*\})\r\n/.exec(received.toString())?.[1])
}

for (const release of releases) {
  testServer({
    name: 'NATS',
    release,
    start: async (parent) => await startNats({ release, parent }),
    store: async ({ port }) => {
      const stream = { name: 'kept', subjects: ['kept'], storage: 'file' }
      assertContains(await ask(port, '$JS.API.STREAM.CREATE.kept', stream), '"did_create":true')
      assertContains(await ask(port, 'kept', {}), '"seq":1')
    },
    holds: async ({ port }) => (await ask(port, '$JS.API.STREAM.INFO.kept', {})).includes('"messages":1'),
    startWrongly: async (parent) => await startNats({ release, parent, lines: ['no_such_setting: 1'] }),
    complaint: /NATS .* ended while it started\. Its log ends:[^]*no_such_setting/,
  })
}
