import process from 'node:process'
import type { BrokerPlace } from '../brokers/place.ts'
import { type ActorName, actors } from './actors.ts'

export interface Request {
  readonly nr: number
  readonly method: string
  readonly argument: unknown
}

export interface Answer {
  readonly nr: number
  readonly value?: unknown
  readonly error?: string
}

/** The entry of an actor's process: opens it, says so, and does what it is told until it is told to close. */
const [name, url, place] = process.argv.slice(2) as [ActorName, string, string | undefined]
const on = place === undefined ? undefined : (JSON.parse(place) as BrokerPlace)
const actor: object = await actors[name](url, on)

process.on('message', (request: Request) => void serve(request))
// The driver is gone, and with it the reason to be here.
process.on('disconnect', () => process.exit(1))
send({ nr: 0 })

async function serve({ nr, method, argument }: Request): Promise<void> {
  try {
    const run: unknown = Reflect.get(actor, method)
    if (typeof run !== 'function') throw new TypeError(`${name} has no ${method}.`)
    send({ nr, value: await run.call(actor, argument) })
  } catch (error) {
    send({ nr, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
  if (method === 'close') process.disconnect()
}

function send(answer: Answer): void {
  process.send?.(answer)
}
