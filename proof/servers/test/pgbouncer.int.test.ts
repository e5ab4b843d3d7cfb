import { randomUUID } from 'node:crypto'
import { inject, onTestFinished } from 'vitest'
import { converse } from '../src/conversation.ts'
import { startPgBouncer } from '../src/pgbouncer.ts'
import type { Server } from '../src/server.ts'
import { testServer } from './contract.ts'
import { assertContains } from './support.ts'

const upstream = inject('adminUrl')

/** Runs a statement over PostgreSQL's protocol, as a client who is trusted, and answers all that came back as text. */
async function run(server: Server, sql: string): Promise<string> {
  const user = decodeURIComponent(new URL(upstream).username)
  const start = message('', `\0\x03\0\0user\0${user}\0database\0postgres\0\0`)
  const talk = Buffer.concat([start, message('Q', `${sql}\0`)])
  return await converse(server.port, talk, (received) => {
    const text = received.toString('latin1')
    // Ready for the first statement, and again after it.
    return text.split('Z\0\0\0\x05').length > 2 ? text : undefined
  })
}

function message(type: string, body: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(4 + Buffer.byteLength(body))
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body)])
}

const database = `acuse_pooled_${randomUUID().replaceAll('-', '')}`

testServer({
  name: 'PgBouncer',
  release: '1.18',
  start: async (parent) => await startPgBouncer({ upstream, parent, lines: ['auth_type = trust'] }),
  store: async (server) => {
    const name = `${database}_${server.port}`
    assertContains(await run(server, `create database ${name}`), 'CREATE DATABASE')
    onTestFinished(async () => {
      await using pooler = await startPgBouncer({ upstream, lines: ['auth_type = trust'] })
      await run(pooler, `drop database ${name}`)
    })
  },
  holds: async (server) =>
    (await run(server, `select 'found' from pg_database where datname = '${database}_${server.port}'`)).includes(
      'found',
    ),
  startWrongly: async (parent) => await startPgBouncer({ upstream, parent, lines: ['pool_mode = no_such_mode'] }),
  complaint: /PgBouncer .* ended while it started\. Its log ends:[^]*pool_mode/,
})
