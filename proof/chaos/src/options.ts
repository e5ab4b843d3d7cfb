import { resolve } from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { faultsOf } from './faults/faults.ts'
import { transportNamed, transports } from './transports/transports.ts'

export interface Options {
  readonly transport: string
  /** Of the broker: 1, or a cluster. */
  readonly nodes: number
  /** How long faults happen. */
  readonly seconds: number
  readonly seed: number
  /** What the producers aim at in all; null: what a run of these seconds has to reach, and some more. */
  readonly messages: number | null
  /** Names of faults; null: all of them. */
  readonly faults: readonly string[] | null
  /** Where the processes' logs are kept; null: nowhere. */
  readonly logs: string | null
  readonly json: boolean
}

/** Options that cannot be honoured; the message says which and why. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

const faultNames = (transport: string, nodes = 1): string[] =>
  faultsOf(transportNamed(transport), nodes).map(({ name }) => name)

/** The names of what does not happen without a broker. */
const brokerFaultNames = (nodes: number): string =>
  faultNames('nats', nodes)
    .filter((name) => !faultNames('postgres').includes(name))
    .join(', ')

const clusters = transports.filter(({ sizes }) => sizes.includes(3)).map(({ name }) => name)

export function help(): string {
  return `Runs Acuse in real processes, lets faults happen to all of it, and counts what was lost, doubled or reordered.

  npm run chaos -- --transport postgres --seconds 120 --seed 7

Options
  --transport NAME   ${transports.map(({ name }) => name).join(', ')} (default: postgres)
  --nodes N          of the broker: 1, or 3 for a cluster of ${clusters.join(', ')} (default: 1)
  --seconds N        how long faults happen (default: 120); what a full run has to reach is scaled to it
  --seed N           repeats the faults of an earlier run (default: drawn, and printed)
  --messages N       committed messages the producers aim at (default: 200 a second)
  --faults LIST      only these, divided by commas, or none (default: all):
                     ${faultNames('postgres').join(', ')};
                     of a broker: ${brokerFaultNames(1)};
                     of a cluster: ${brokerFaultNames(3)}
  --logs FOLDER      keeps what the processes log, a JSON object a line, and what they say on stderr
  --json             nothing but the line of JSON on standard output; all else goes to standard error
  --help             this text

The exit code is 0 if nothing was lost, doubled or reordered, and enough has happened for that to mean something.
Set CRASH_AT, as in CRASH_AT=relay.afterPublish:17, to let the first processes of the run die at a point of your choice.
`
}

const spec = {
  transport: { type: 'string' },
  nodes: { type: 'string' },
  seconds: { type: 'string' },
  seed: { type: 'string' },
  messages: { type: 'string' },
  faults: { type: 'string' },
  logs: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options']

/**
 * Reads the command line; `'help'` when it asks for help. `drawSeed` gives the seed when none is said.
 *
 * @throws OptionsError for an option that does not exist or has no sensible value.
 */
export function readOptions(args: readonly string[], drawSeed: () => number): Options | 'help' {
  const values = parse(args)
  if (values.help === true) return 'help'
  const transport = values.transport ?? 'postgres'
  if (!transports.some(({ name }) => name === transport)) {
    throw new OptionsError(
      `--transport: there is no ${transport}; there is ${transports.map(({ name }) => name).join(', ')}`,
    )
  }
  const nodes = wholeNumber('nodes', values.nodes, 1, 9) ?? 1
  const { sizes } = transportNamed(transport)
  if (nodes !== 1 && !sizes.includes(nodes)) {
    throw new OptionsError(
      `--nodes: ${transport} can have ${Math.max(1, ...sizes) === 1 ? '1' : sizes.join(' or ')} here, not ${nodes}`,
    )
  }
  return {
    transport,
    nodes,
    seconds: wholeNumber('seconds', values.seconds, 1, 86_400) ?? 120,
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31 - 1) ?? drawSeed(),
    messages: wholeNumber('messages', values.messages, 1, 100_000_000) ?? null,
    faults: values.faults === undefined ? null : namesOf(values.faults, faultNames(transport, nodes)),
    logs: values.logs === undefined ? null : resolve(values.logs),
    json: values.json === true,
  }
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof spec }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: spec, strict: true, allowPositionals: false }).values
  } catch (error) {
    // Node's message names the option; its advice on positional arguments is no use here.
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split('. To specify')
    throw new OptionsError(message, { cause: error })
  }
}

function namesOf(list: string, known: readonly string[]): string[] {
  if (list === 'none') return []
  const names = list.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length === 0) return names
  throw new OptionsError(`--faults: there is no ${unknown.join(', ')}; there are ${known.join(', ')}`)
}

function wholeNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new OptionsError(`--${name} takes a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
}
