import { decodeConsumerProtocolSubscription, encodeConsumerProtocolAssignment } from '@platformatic/kafka'
import type { Cluster } from './connection.ts'

interface Member {
  readonly memberId: string
  readonly metadata: Buffer
}

interface Assignment {
  readonly memberId: string
  readonly assignment: Buffer
}

/** Deals the partitions of all topics out to the members that read them, in turn, as Kafka's rule of that name does. */
export async function assignRoundRobin(cluster: Cluster, members: readonly Member[]): Promise<Assignment[]> {
  const subscribed = members
    .map(({ memberId, metadata }) => ({
      memberId,
      topics: new Set(decodeConsumerProtocolSubscription(metadata).topics),
      given: new Map<string, number[]>(),
    }))
    .toSorted((one, other) => (one.memberId < other.memberId ? -1 : 1))
  const names = [...new Set(subscribed.flatMap(({ topics }) => [...topics]))].toSorted()
  const { topics } = await cluster.metadata(names)
  let turn = 0
  for (const name of names) {
    const partitions = topics.find((topic) => topic.name === name)?.partitions.length ?? 0
    for (let index = 0; index < partitions; index++) {
      const readers = subscribed.filter((member) => member.topics.has(name))
      const reader = readers[turn++ % readers.length]
      reader?.given.set(name, [...(reader.given.get(name) ?? []), index])
    }
  }
  return subscribed.map(({ memberId, given }) => ({
    memberId,
    assignment: encodeConsumerProtocolAssignment({
      version: 1,
      assignedPartitions: [...given].map(([topic, partitions]) => ({ topic, partitions })),
    }),
  }))
}
