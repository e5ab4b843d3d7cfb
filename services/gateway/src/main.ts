import type { Behaviour } from './behaviour.ts'
import { startGateway } from './start-gateway.ts'

/** A gateway that takes longer than this to close has a request it cannot finish. */
const DRAIN_MS = 10_000

const {
  PORT = '4004',
  HOST = '127.0.0.1',
  JOURNAL = 'gateway-journal.jsonl',
  SEED = '1',
  BEHAVIOUR = '{}',
  LOG = 'json',
} = process.env

const gateway = await startGateway({
  port: Number(PORT),
  host: HOST,
  journal: JOURNAL,
  seed: SEED,
  behaviour: JSON.parse(BEHAVIOUR) as Partial<Behaviour>,
  logger: { level: LOG === 'quiet' ? 'error' : 'info' },
})

// Whoever started the process waits for this line, and learns the port from it.
process.stdout.write(`${JSON.stringify({ ready: 'gateway', url: gateway.url })}\n`)

const drain = (): void => {
  setTimeout(() => process.exit(1), DRAIN_MS).unref()
  gateway.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
process.once('SIGTERM', drain)
process.once('SIGINT', drain)
