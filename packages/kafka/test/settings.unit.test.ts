import assert from 'node:assert/strict'
import { it } from 'vitest'
import { assertSafeTopic } from '../src/settings.ts'

const wanted = { replicationFactor: 3, retentionMs: 1_000, allowed: [] }
const settings = {
  'min.insync.replicas': '2',
  'unclean.leader.election.enable': 'false',
  'cleanup.policy': 'delete',
  'retention.ms': '1000',
  'retention.bytes': '-1',
  'message.timestamp.type': 'LogAppendTime',
}

function check(changed: Partial<typeof settings>, replicas = 3): void {
  assertSafeTopic('orders', replicas, new Map(Object.entries({ ...settings, ...changed })), wanted)
}

it('a topic of three replicas where one alone confirms is refused, with the command that mends it', () => {
  check({})
  assert.throws(
    () => check({ 'min.insync.replicas': '1' }),
    /min\.insync\.replicas=1: .* confirms alone.*--entity-name orders --add-config min\.insync\.replicas=2/,
  )
})

it('messages that are kept for ever are kept long enough', () => {
  check({ 'retention.ms': '-1' })
  assert.throws(() => check({ 'retention.ms': '999' }), /retention\.ms=999, where 1000 is asked for/)
})

it('what is accepted by name is accepted, and nothing else', () => {
  const bad = new Map(Object.entries({ ...settings, 'min.insync.replicas': '1', 'cleanup.policy': 'compact' }))
  const allowed = ['min.insync.replicas'] as const
  assert.throws(
    () => assertSafeTopic('orders', 3, bad, { ...wanted, allowed }),
    (error: Error) => error.message.includes('cleanup.policy') && !error.message.includes('confirms alone'),
  )
})
