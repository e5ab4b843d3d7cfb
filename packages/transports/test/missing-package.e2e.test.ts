import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { transportSchemes } from '@acuse/transports'
import { expect, test } from 'vitest'

/** What each address needs, in the words that one installs it with. */
const needed: Readonly<Record<string, readonly string[]>> = {
  postgres: ['@acuse/postgres', 'pg'],
  postgresql: ['@acuse/postgres', 'pg'],
  amqp: ['@acuse/rabbitmq', 'amqplib'],
  amqps: ['@acuse/rabbitmq', 'amqplib'],
  kafka: ['@acuse/kafka', '@platformatic/kafka'],
  nats: ['@acuse/nats', '@nats-io/jetstream', '@nats-io/transport-node'],
  tls: ['@acuse/nats', '@nats-io/jetstream', '@nats-io/transport-node'],
  redis: ['@acuse/redis', 'ioredis'],
  rediss: ['@acuse/redis', 'ioredis'],
}

/** Opens every transport, and says why each could not be. */
const opening = `
  const { transportAt, transportSchemes } = await import('@acuse/transports')
  const { systemClock } = await import('@acuse/core')
  const context = { service: 'shop', instance: 'shop-1', clock: systemClock, onError() {} }
  const why = {}
  for (const scheme of transportSchemes) {
    const url = scheme + '://user:secret@127.0.0.1:1/name'
    await transportAt(url)(context).then(
      () => { why[scheme] = 'was opened' },
      ({ code, message, retryable }) => { why[scheme] = { code, message, retryable } },
    )
  }
  process.stdout.write(JSON.stringify(why))
`

test.each([
  ['the first of them', [0]],
  ['the client', [1]],
  ['the last of them', [-1]],
])('an address whose packages are not installed, %s at least, says what to install', async (_, [index = 0]) => {
  expect(Object.keys(needed)).toEqual([...transportSchemes])
  const missing = Object.values(needed).map((names) => names.at(index) ?? '')
  const command = ['--conditions=@acuse/source', `--import=${without(missing)}`, '--input-type=module', '-e', opening]
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: import.meta.dirname })
  expect(JSON.parse(stdout)).toEqual(
    Object.fromEntries(
      Object.entries(needed).map(([scheme, names]) => {
        const message = `This needs ${names.join(' and ')}: npm install ${names.join(' ')}`
        return [scheme, { code: 'ACUSE_MISSING_PACKAGE', message, retryable: false }]
      }),
    ),
  )
})

/** A module after which packages are not to be found, as where they were never installed. */
function without(names: readonly string[]): string {
  const hooks = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(specifier, context, next) {
        if (!${JSON.stringify(names)}.includes(specifier)) return next(specifier, context)
        throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
      },
    })`
  return `data:text/javascript,${encodeURIComponent(hooks)}`
}
