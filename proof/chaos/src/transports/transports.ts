import { kafkaTransport } from './kafka.ts'
import { natsTransport } from './nats.ts'
import { postgresTransport } from './postgres.ts'
import { rabbitmqTransport } from './rabbitmq.ts'
import { redisTransport } from './redis.ts'
import type { ChaosTransport } from './transport.ts'

export const transports: readonly ChaosTransport[] = [
  postgresTransport,
  rabbitmqTransport,
  kafkaTransport,
  natsTransport,
  redisTransport,
]

export function transportNamed(name: string): ChaosTransport {
  const found = transports.find((transport) => transport.name === name)
  if (found === undefined) throw new RangeError(`there is no transport ${JSON.stringify(name)}`)
  return found
}
