import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports: readonly string[]
  readonly volumes?: readonly string[]
  readonly profiles?: readonly string[]
  readonly healthcheck: { readonly test: readonly string[]; readonly retries: number }
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose = parse(readFileSync(join(import.meta.dirname, '..', 'compose.yaml'), 'utf8')) as Compose
const services = Object.entries(compose.services)
const servers = services.filter(([, { profiles }]) => profiles?.includes('ui') !== true)

test('compose.yaml has the five servers, each of the major version it is meant for', () => {
  expect(servers.map(([name, { image }]) => `${name} ${image}`)).toEqual([
    'postgres postgres:18',
    'rabbitmq rabbitmq:4-management',
    expect.stringMatching(/^kafka apache\/kafka:4\.\d+\.\d+$/),
    'nats nats:2-alpine',
    'redis redis:8',
  ])
})

test.each(services)('%s tells when it is healthy, and is reached from this machine only', (_name, service) => {
  expect(service.healthcheck.test.length).toBeGreaterThanOrEqual(2)
  expect(service.healthcheck.retries).toBeGreaterThan(0)
  for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
})

test.each(servers)('%s keeps its data', (_name, { volumes = [] }) => {
  expect(volumes).not.toEqual([])
  for (const volume of volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0])
})

test('the page about Kafka changes nothing, and reaches it where its network does', () => {
  const { environment } = compose.services['kafka-ui'] ?? expect.unreachable()
  const { KAFKA_ADVERTISED_LISTENERS: listeners } = compose.services['kafka']?.environment ?? {}
  expect(environment).toMatchObject({ KAFKA_CLUSTERS_0_READONLY: 'true' })
  expect(listeners).toContain(`://${environment?.['KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS']}`)
})

test('the brokers keep what they confirm', () => {
  expect(compose.services['redis']?.command?.join(' ')).toBe(
    'redis-server --appendonly yes --appendfsync always --maxmemory-policy noeviction',
  )
  expect(compose.configs['nats']?.content).toContain('sync_interval: always')
  expect(compose.services['kafka']?.environment).toMatchObject({
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
  })
})
