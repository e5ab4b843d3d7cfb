import { expect, test } from 'vitest'
import { converse } from '../src/conversation.ts'
import { startRedis, type RedisRelease } from '../src/redis.ts'
import { testServer } from './contract.ts'
import { assertContains, temporaryFolder } from './support.ts'

const releases: readonly RedisRelease[] = ['7.0', '8.0']

async function ask(port: number, command: string): Promise<string> {
  return await converse(port, `${command}\r\n`, (received) => {
    const text = received.toString()
    return text.endsWith('\r\n') ? text : undefined
  })
}

for (const release of releases) {
  testServer({
    name: 'Redis',
    release,
    start: async (parent) => await startRedis({ release, parent }),
    store: async ({ port }) => assertContains(await ask(port, 'XADD stream * kept 1'), '-0'),
    holds: async ({ port }) => (await ask(port, 'XLEN stream')) === ':1\r\n',
    startWrongly: async (parent) => await startRedis({ release, parent, lines: ['no-such-setting yes'] }),
    complaint: /Redis .* ended while it started\. Its log ends:[^]*no-such-setting/,
  })
}

test('a Redis with a password asks for it, and is ready all the same', async () => {
  await using server = await startRedis({ release: '8.0', parent: await temporaryFolder(), password: 'open sesame' })
  expect(server.url).toBe(`redis://:open%20sesame@127.0.0.1:${server.port}`)
  expect(await ask(server.port, 'PING')).toContain('NOAUTH')
})
