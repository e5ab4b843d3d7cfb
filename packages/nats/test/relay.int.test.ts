import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Nats, startNats } from '@acuse-proof/servers'
import { nats } from '@acuse/nats'
import { testRelay } from '@acuse/testing/conformance'
import type { StreamInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll } from 'vitest'
import { ask, editStream, streamOf } from './support.ts'

const leaseMs = 5_000
const limitBytes = 50_000
let server: Nats
/** What the server includes in its settings. */
let denied: string
let operator: NatsConnection
let system: NatsConnection

beforeAll(async () => {
  server = await startNats({
    release: '2.15',
    files: { 'denied.conf': denies([]) },
    lines: [
      'include "denied.conf"',
      'accounts {',
      '  SYS { users: [{ user: system, password: system }] }',
      '  APP {',
      '    jetstream: enabled',
      '    users: [',
      '      { user: operator, password: operator }',
      '      { user: publisher, password: publisher, permissions: { publish: { deny: $DENIED } } }',
      '    ]',
      '  }',
      '}',
      'system_account: SYS',
    ],
  })
  denied = join(server.folder, 'data', 'denied.conf')
  const of = (user: string): Promise<NatsConnection> =>
    connect({ servers: `127.0.0.1:${server.port}`, user, pass: user })
  operator = await of('operator')
  system = await of('system')
})
afterAll(async () => {
  await operator.close()
  await system.close()
  await server[Symbol.asyncDispose]()
})

testRelay('NATS 2.15', async () => ({
  publisher: nats(`nats://publisher:publisher@127.0.0.1:${server.port}`, { leaseMs }),
  consumer: nats(`nats://operator:operator@127.0.0.1:${server.port}`, { leaseMs }),
  async forbid({ stream }) {
    await deny([`acuse.${stream}.>`])
    return () => deny([])
  },
  async fill({ stream }) {
    const { state } = await ask<StreamInfo>(operator, `STREAM.INFO.${streamOf(stream)}`)
    await editStream(operator, streamOf(stream), { max_msgs: state.messages })
    return () => editStream(operator, streamOf(stream), { max_msgs: -1 })
  },
  async misroute({ stream, stopGroup, startGroup }) {
    await stopGroup()
    await deny([`$JS.API.STREAM.CREATE.${streamOf(stream)}`])
    await ask(operator, `STREAM.DELETE.${streamOf(stream)}`)
    return async () => {
      // Its user may make the stream, so that nothing comes to it before the group has its place there.
      await startGroup()
      await deny([])
    }
  },
  async limit(stream) {
    await editStream(operator, streamOf(stream), { max_msg_size: limitBytes })
    return {
      tooMany: limitBytes,
      names: /max_msg_size/,
      raise: () => editStream(operator, streamOf(stream), { max_msg_size: -1 }),
    }
  },
  dispose: async () => undefined,
}))

/** What the publishing user may not publish to; the server reads it anew. */
async function deny(subjects: readonly string[]): Promise<void> {
  await writeFile(denied, denies(subjects))
  const answer = await system.request(`$SYS.REQ.SERVER.${system.info?.server_id}.RELOAD`)
  const { error } = answer.json<{ readonly error?: { readonly description: string } }>()
  if (error !== undefined) throw new Error(`the settings were not read: ${error.description}`)
}

function denies(subjects: readonly string[]): string {
  return `DENIED: [${['nothing.at.all', ...subjects].map((subject) => JSON.stringify(subject)).join()}]\n`
}
