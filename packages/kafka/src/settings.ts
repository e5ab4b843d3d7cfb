import { AcuseError } from '@acuse/core'
import { ConfigResourceTypes } from '@platformatic/kafka'
import type { Cluster } from './connection.ts'
import { errorName } from './errors.ts'
import { requests } from './protocol.ts'

/** What `allowUnsafe` can name: each of these loses messages that were confirmed, or a group's place among them. */
export type UnsafeSetting =
  | 'auto.create.topics.enable'
  | 'cleanup.policy'
  | 'message.timestamp.type'
  | 'min.insync.replicas'
  | 'offsets.retention.minutes'
  | 'offsets.topic.replication.factor'
  | 'replication.factor'
  | 'retention.bytes'
  | 'retention.ms'
  | 'unclean.leader.election.enable'

const defaultSessionMs = 45_000

/** What a stream's topic is made with, and held against. */
export interface WantedSettings {
  readonly replicationFactor: number
  /** How long the topic keeps a message. */
  readonly retentionMs: number
  readonly allowed: readonly UnsafeSetting[]
}

/** Settings of a broker or a topic, by their names. */
export type Settings = ReadonlyMap<string, string>

interface Finding {
  readonly setting: UnsafeSetting
  readonly found: string
  readonly danger: string
  readonly mend: string
}

/** How many replicas must have a message before it is confirmed. */
export function minInsyncReplicas(replicationFactor: number): number {
  return Math.max(1, replicationFactor - 1)
}

/**
 * Reads the settings of every broker. Throws `ACUSE_UNSAFE_SETTING` for each finding; gives after how long without a sign of life a
 * coordinator gives a member up by the protocol of KIP-848, ms.
 */
export async function auditBrokers(cluster: Cluster, wanted: WantedSettings): Promise<number> {
  let sessionTimeoutMs = defaultSessionMs
  for (const node of cluster.nodes) {
    const settings = await settingsOf(cluster, ConfigResourceTypes.BROKER, String(node), node)
    refuse(brokerFindings(node, settings, wanted), wanted.allowed)
    const ofBroker = Number(settings.get('group.consumer.session.timeout.ms') ?? defaultSessionMs)
    sessionTimeoutMs = node === cluster.nodes[0] ? ofBroker : Math.min(sessionTimeoutMs, ofBroker)
  }
  return sessionTimeoutMs
}

/** Throws `ACUSE_UNSAFE_SETTING` for each finding about a topic that is there. */
export function assertSafeTopic(name: string, replicas: number, settings: Settings, wanted: WantedSettings): void {
  refuse(topicFindings(name, replicas, settings, wanted), wanted.allowed)
}

/** How long a topic of others keeps messages, and by whose clock, is theirs to say. */
const theirs: readonly UnsafeSetting[] = ['message.timestamp.type', 'retention.ms']

/** Throws `ACUSE_UNSAFE_SETTING` for what of a topic of others may lose messages that were confirmed. */
export function assertKeeps(name: string, replicas: number, settings: Settings): void {
  const found = topicFindings(name, replicas, settings, { replicationFactor: 2, retentionMs: 0, allowed: [] })
  const risks = found.filter(({ setting }) => !theirs.includes(setting))
  if (risks.length === 0) return
  const text = risks.map(({ found: what, danger, mend }) => `${what}: ${danger}. Mend it with: ${mend}.`).join('\n')
  throw new AcuseError('ACUSE_UNSAFE_SETTING', `${text}\nOr accept it with acceptRisks: ['loss'].`)
}

/** After how long without a sign of life a member of a group is given up, ms: as asked for, or as the brokers have it. */
export async function brokerSessionMs(
  cluster: Cluster,
  {
    groupProtocol,
    sessionTimeoutMs,
  }: { readonly groupProtocol: 'consumer' | 'classic'; readonly sessionTimeoutMs: number },
): Promise<number> {
  if (groupProtocol === 'classic') return sessionTimeoutMs
  let least = sessionTimeoutMs
  for (const node of cluster.nodes) {
    const settings = await settingsOf(cluster, ConfigResourceTypes.BROKER, String(node), node)
    least = Math.min(least, Number(settings.get('group.consumer.session.timeout.ms') ?? defaultSessionMs))
  }
  return least
}

/** What a topic is set to, its defaults included. */
export function topicSettings(cluster: Cluster, name: string): Promise<Settings> {
  return settingsOf(cluster, ConfigResourceTypes.TOPIC, name, undefined)
}

async function settingsOf(
  cluster: Cluster,
  resourceType: typeof ConfigResourceTypes.BROKER | typeof ConfigResourceTypes.TOPIC,
  resourceName: string,
  node: number | undefined,
): Promise<Settings> {
  const resource = { resourceType, resourceName, configurationKeys: null }
  const { results } = await cluster.main.ask(node, requests.describeConfigs, [resource], false, false)
  const result = results[0]
  const error = errorName(result?.errorCode ?? 0)
  const kind = resourceType === ConfigResourceTypes.BROKER ? 'broker' : 'topic'
  if (error !== undefined || result === undefined) {
    throw new AcuseError(
      'ACUSE_TRANSPORT_UNAVAILABLE',
      `kafka: the settings of ${kind} ${resourceName} cannot be read (${error ?? 'no answer'}), so nobody knows whether they lose messages. Grant DescribeConfigs on it to the client's user.`,
    )
  }
  return new Map(result.configs.map(({ name, value }) => [name, value ?? '']))
}

/** What of a broker's settings would lose messages. */
function brokerFindings(node: number, settings: Settings, wanted: WantedSettings): readonly Finding[] {
  const found: Finding[] = []
  const inFile = (setting: string, value: string): string =>
    `set ${setting}=${value} in server.properties of every broker and restart them`
  if (settings.get('auto.create.topics.enable') === 'true') {
    found.push({
      setting: 'auto.create.topics.enable',
      found: `auto.create.topics.enable is true on broker ${node}`,
      danger:
        'whoever asks for a stream first makes its topic with the defaults of the broker: one replica and one partition',
      mend: inFile('auto.create.topics.enable', 'false'),
    })
  }
  if (settings.get('unclean.leader.election.enable') === 'true') {
    found.push(unclean(`on broker ${node}`, '--entity-type brokers --entity-default'))
  }
  const offsetsReplicas = numberOf(settings, 'offsets.topic.replication.factor')
  if (offsetsReplicas < wanted.replicationFactor) {
    found.push({
      setting: 'offsets.topic.replication.factor',
      found: `offsets.topic.replication.factor is ${offsetsReplicas} on broker ${node}, where ${wanted.replicationFactor} replicas are asked for`,
      danger: 'with the broker that is lost goes the place of every group, and it starts anew',
      mend: `${inFile('offsets.topic.replication.factor', String(wanted.replicationFactor))}; where __consumer_offsets is there already, kafka-reassign-partitions.sh`,
    })
  }
  const offsetsMs = numberOf(settings, 'offsets.retention.minutes') * 60_000
  if (offsetsMs < asked(wanted.retentionMs)) {
    found.push({
      setting: 'offsets.retention.minutes',
      found: `offsets.retention.minutes is ${settings.get('offsets.retention.minutes')} on broker ${node}, which is shorter than the ${wanted.retentionMs} ms that messages are kept`,
      danger:
        'a group that is stopped for so long loses its place and starts anew, and skips what it had not read although it is still there',
      mend: inFile('offsets.retention.minutes', String(Math.ceil(wanted.retentionMs / 60_000))),
    })
  }
  return found
}

/** What of a topic's settings would lose messages. */
function topicFindings(name: string, replicas: number, settings: Settings, wanted: WantedSettings): readonly Finding[] {
  const found: Finding[] = []
  const alter = (setting: string, value: string | number): string =>
    `kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name ${name} --add-config ${setting}=${value}`
  const setTo = (setting: string): string => `Topic ${name} has ${setting}=${settings.get(setting)}`
  if (replicas < wanted.replicationFactor) {
    found.push({
      setting: 'replication.factor',
      found: `Topic ${name} has ${replicas} replicas, where ${wanted.replicationFactor} are asked for`,
      danger: 'what was confirmed is gone with so few brokers',
      mend: 'kafka-reassign-partitions.sh --execute with more replicas for each partition',
    })
  }
  const least = minInsyncReplicas(wanted.replicationFactor)
  if (replicas > 1 && numberOf(settings, 'min.insync.replicas') < Math.min(least, 2)) {
    found.push({
      setting: 'min.insync.replicas',
      found: setTo('min.insync.replicas'),
      danger: 'while others are behind a single replica confirms alone, and what it has is gone with it',
      mend: alter('min.insync.replicas', least),
    })
  }
  if (settings.get('unclean.leader.election.enable') === 'true') {
    found.push(unclean(`for topic ${name}`, `--entity-type topics --entity-name ${name}`))
  }
  if (settings.get('cleanup.policy') !== 'delete') {
    found.push({
      setting: 'cleanup.policy',
      found: setTo('cleanup.policy'),
      danger: 'compaction deletes all but the last message of a key, whether or not they were read',
      mend: alter('cleanup.policy', 'delete'),
    })
  }
  if (asked(numberOf(settings, 'retention.ms')) < asked(wanted.retentionMs)) {
    found.push({
      setting: 'retention.ms',
      found: `${setTo('retention.ms')}, where ${wanted.retentionMs} is asked for`,
      danger: 'messages are deleted when they are so old, whether or not they were read',
      mend: alter('retention.ms', wanted.retentionMs),
    })
  }
  if (numberOf(settings, 'retention.bytes') >= 0) {
    found.push({
      setting: 'retention.bytes',
      found: setTo('retention.bytes'),
      danger: 'the oldest messages are deleted when a partition is so large, whether or not they were read',
      mend: alter('retention.bytes', -1),
    })
  }
  if (settings.get('message.timestamp.type') !== 'LogAppendTime') {
    found.push({
      setting: 'message.timestamp.type',
      found: setTo('message.timestamp.type'),
      danger: 'messages of a publisher whose clock is behind are deleted early, and a start by time finds wrong ones',
      mend: alter('message.timestamp.type', 'LogAppendTime'),
    })
  }
  return found
}

function unclean(where: string, entity: string): Finding {
  return {
    setting: 'unclean.leader.election.enable',
    found: `unclean.leader.election.enable is true ${where}`,
    danger: 'a replica that is behind can become the leader, and what it lacks is gone although it was confirmed',
    mend: `kafka-configs.sh --bootstrap-server … --alter ${entity} --add-config unclean.leader.election.enable=false`,
  }
}

function numberOf(settings: Settings, name: string): number {
  return Number(settings.get(name) ?? -1)
}

/** -1 means for ever. */
function asked(retentionMs: number): number {
  return retentionMs < 0 ? Infinity : retentionMs
}

function refuse(found: readonly Finding[], allowed: readonly UnsafeSetting[]): void {
  const refused = found.filter(({ setting }) => !allowed.includes(setting))
  if (refused.length === 0) return
  throw new AcuseError(
    'ACUSE_UNSAFE_SETTING',
    refused
      .map(
        ({ setting, found: what, danger, mend }) =>
          `${what}: ${danger}. Mend it with: ${mend}. Or accept it with allowUnsafe: ['${setting}'].`,
      )
      .join('\n'),
  )
}
