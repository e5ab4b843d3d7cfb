import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** The name of what is measured. */
  readonly subject: string
  /** Print the result as JSON instead of a table. */
  readonly json: boolean
  /** The measures to run; empty for all that are not long. */
  readonly only: readonly string[]
  /** Everything small: whether it works, not how fast it is. */
  readonly quick: boolean
  /** Long measures too, at their full length. */
  readonly full: boolean
  /** The length of one slice, seconds. */
  readonly seconds: number
  /** Rounds that count; one more goes ahead to warm up. */
  readonly rounds: number
  /** Write the page of what is measured, and its picture, into docs. */
  readonly write: boolean
  /** A folder for CPU profiles of the contestants' processes. */
  readonly profileIn: string | undefined
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export const usage = `npm run bench -- postgres|rabbitmq|kafka|nats|redis [options]

  --only NAME,…   only these measures, at their full length
  --full          also the long measures
  --quick         everything small, to see that it works
  --seconds N     length of one slice (default 3)
  --rounds N      rounds that count (default 5)
  --json          print JSON
  --write         write its page into docs
  --profile DIR   CPU profiles of the contestants`

/** What the command line may name. */
export interface Known {
  readonly name: string
  readonly measures: readonly { readonly name: string }[]
}

/** Reads the command line. Throws `UsageError` for what it does not know. */
export function parseOptions(args: readonly string[], subjects: readonly Known[]): BenchOptions {
  const { values, positionals } = parsed(args)
  const subject = subjects.find(({ name }) => name === positionals[0])
  if (subject === undefined || positionals.length !== 1) {
    const names = subjects.map(({ name }) => name).join(', ')
    throw new UsageError(`Say what to measure, one of ${names}. Got: ${positionals.join(' ') || 'nothing'}.`)
  }
  const measures = subject.measures.map(({ name }) => name)
  const only = values.only?.split(',').filter((name) => name !== '') ?? []
  const unknown = only.filter((name) => !measures.includes(name))
  if (unknown.length > 0) {
    throw new UsageError(`${subject.name} has no measure ${unknown.join(', ')}. There are: ${measures.join(', ')}.`)
  }
  const quick = values.quick ?? false
  return {
    subject: subject.name,
    only,
    quick,
    json: values.json ?? false,
    full: values.full ?? false,
    write: values.write ?? false,
    profileIn: values.profile,
    seconds: numberOf('seconds', values.seconds, quick ? 0.5 : 3, 0.1),
    rounds: numberOf('rounds', values.rounds, quick ? 2 : 5, 1),
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        only: { type: 'string' },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        profile: { type: 'string' },
        json: { type: 'boolean' },
        full: { type: 'boolean' },
        quick: { type: 'boolean' },
        write: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function numberOf(name: string, given: string | undefined, otherwise: number, least: number): number {
  const value = given === undefined ? otherwise : Number(given)
  if (Number.isFinite(value) && value >= least) return value
  throw new UsageError(`--${name} must be a number of at least ${least}, not ${given}.`)
}
