import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Nats, startNats } from '@acuse-proof/servers'
import { nats } from '@acuse/nats'
import { testCredentials } from '@acuse/testing/conformance'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll } from 'vitest'

const user = { username: 'shop', password: 'first-canary' }
let server: Nats
let system: NatsConnection

beforeAll(async () => {
  server = await startNats({
    release: '2.15',
    files: { 'password.conf': settingOf(user.password) },
    lines: [
      'include "password.conf"',
      'accounts {',
      '  SYS { users: [{ user: system, password: system }] }',
      `  APP { jetstream: enabled, users: [{ user: ${user.username}, password: $PASSWORD }] }`,
      '}',
      'system_account: SYS',
    ],
  })
  system = await connect({ servers: `127.0.0.1:${server.port}`, user: 'system', pass: 'system' })
})
afterAll(async () => {
  await system.close()
  await server[Symbol.asyncDispose]()
})

testCredentials('NATS 2.15', async () => ({
  user,
  open: (credentials) => nats(`nats://127.0.0.1:${server.port}`, { leaseMs: 5_000, credentials }),
  change: letIn,
  dispose: () => letIn(user.password),
}))

/** The server reads its settings anew, and cuts off whom it would not let in any more. */
async function letIn(password: string): Promise<void> {
  await writeFile(join(server.folder, 'data', 'password.conf'), settingOf(password))
  const answer = await system.request(`$SYS.REQ.SERVER.${system.info?.server_id}.RELOAD`)
  const { error } = answer.json<{ readonly error?: { readonly description: string } }>()
  if (error !== undefined) throw new Error(`the settings were not read: ${error.description}`)
}

function settingOf(password: string): string {
  return `PASSWORD: ${JSON.stringify(password)}\n`
}
