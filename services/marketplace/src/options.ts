import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, type ParseArgsConfig } from 'node:util'

import { TRANSPORT_NAMES, transportKind, transportOfScheme } from './transport/transports.ts'
import type { TransportName } from './transport/transports.ts'

/** What one run of the marketplace is asked to do. */
export interface Options {
  /** Path of the orders, as CSV. */
  input: string
  /** Read the input again and again up to this many orders; `null`: once. */
  orders: number | null
  /** Decides stock, cards, cancellations and faults. */
  seed: number
  faults: boolean
  /** What is between the services. */
  transport: TransportName
  /** Where one is that runs already; `null`: one is started. */
  transportUrl: string | null
  /** Orders placed a second at most; `null`: not said. */
  ratePerSecond: number | null
  /** Orders being placed at once. */
  concurrency: number
  /** Where the database, the logs and the gateway's journal are kept. */
  folder: string
  /** How long the last orders may take to come to rest. */
  drainSeconds: number
  /** End after the summary. */
  once: boolean
  /** The summary as one line of JSON, last on standard output. */
  json: boolean
}

/** Options that cannot be honoured; the message says which and why. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

const SAMPLE = fileURLToPath(new URL('../data/sample-orders.csv', import.meta.url))

/** A run with faults lasts at least this long, so that there is something for them to hit. */
export const FAULTS_LAST_SECONDS = 20

export const HELP: string = `Starts a marketplace on this machine, sends orders through it, and proves that nothing was lost.

  npm start                        the project's sample orders; the services stay up until Ctrl-C
  npm start -- --once --orders 2000 --faults

Options
  --input FILE         orders to place, as CSV (default: the sample that comes with the project)
  --orders N           repeat the input up to N orders (default: once through)
  --transport NAME     what is between the services: ${TRANSPORT_NAMES.join(', ')} (default: postgres).
                       A broker is a real one, fetched the first time (needs root on Debian)
  --transport-url URL  use a broker or database that runs already; it must hold nothing of an earlier run
  --faults             kill, freeze and restart services and the database while orders flow,
                       and the broker that was started for this run
  --seed N             repeat an earlier run: decides stock, cards, cancellations and faults (default: drawn)
  --rate N             at most N orders a second (default: as fast as they are taken; with --faults
                       spread over ${FAULTS_LAST_SECONDS} s at least)
  --concurrency N      orders being placed at once (default: 16)
  --folder PATH        where the database, the broker, logs and rejected lines go (default: .acuse/marketplace)
  --drain-seconds N    how long the last orders may take to come to rest (default: 120)
  --once               end after the summary: exit code 0 if nothing was lost, doubled or reordered and all adds up
  --json               the summary as one line of JSON, last on standard output; all else goes to standard error
  --help               this text
`

const SPEC = {
  input: { type: 'string' },
  orders: { type: 'string' },
  faults: { type: 'boolean' },
  seed: { type: 'string' },
  transport: { type: 'string' },
  'transport-url': { type: 'string' },
  rate: { type: 'string' },
  concurrency: { type: 'string' },
  folder: { type: 'string' },
  'drain-seconds': { type: 'string' },
  once: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options']

/**
 * Reads the command line; `'help'` when it asks for help. `drawSeed` gives the seed when none is said.
 *
 * @throws OptionsError for an option that does not exist, has no sensible value, or names a file that is not there.
 */
export function readOptions(args: readonly string[], drawSeed: () => number): Options | 'help' {
  const values = parse(args)
  if (values.help === true) return 'help'
  return {
    input: inputFile(values.input ?? SAMPLE),
    orders: wholeNumber('orders', values.orders, 1, 10_000_000) ?? null,
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31 - 1) ?? drawSeed(),
    faults: values.faults === true,
    ...transport(values.transport, values['transport-url']),
    ratePerSecond: wholeNumber('rate', values.rate, 1, 1_000_000) ?? null,
    concurrency: wholeNumber('concurrency', values.concurrency, 1, 1_000) ?? 16,
    folder: resolve(notEmpty('folder', values.folder ?? '.acuse/marketplace')),
    drainSeconds: wholeNumber('drain-seconds', values['drain-seconds'], 1, 86_400) ?? 120,
    once: values.once === true,
    json: values.json === true,
  }
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof SPEC }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: SPEC, strict: true, allowPositionals: false }).values
  } catch (error) {
    // Node's message names the option; its advice on positional arguments is no use here.
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split('. To specify')
    throw new OptionsError(message, { cause: error })
  }
}

function wholeNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new OptionsError(`--${name} takes a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
}

function transport(given: string | undefined, url: string | undefined): Pick<Options, 'transport' | 'transportUrl'> {
  const name = TRANSPORT_NAMES.find((known) => known === (given ?? 'postgres'))
  if (name === undefined) {
    throw new OptionsError(`--transport is one of ${TRANSPORT_NAMES.join(', ')}, not ${JSON.stringify(given)}`)
  }
  if (url === undefined) return { transport: name, transportUrl: null }
  const scheme = URL.canParse(url) ? new URL(url).protocol.slice(0, -1) : ''
  const named = transportOfScheme(scheme)
  if (named === undefined) {
    // The rest of it may be a password.
    const known = TRANSPORT_NAMES.flatMap((each) => transportKind(each).schemes.map((one) => `${one}://`))
    throw new OptionsError(`--transport-url is an address that begins with one of ${[...new Set(known)].join(', ')}`)
  }
  if (given === undefined) return { transport: named, transportUrl: url }
  if (transportKind(name).schemes.includes(scheme)) return { transport: name, transportUrl: url }
  throw new OptionsError(`--transport ${given} and --transport-url ${scheme}://… are two; leave one of them out`)
}

function notEmpty(name: string, text: string): string {
  if (text !== '') return text
  throw new OptionsError(`--${name} is empty`)
}

function inputFile(given: string): string {
  const path = resolve(notEmpty('input', given))
  if (!existsSync(path)) throw new OptionsError(`--input: there is no file ${path}`)
  if (statSync(path).isDirectory()) throw new OptionsError(`--input: ${path} is a folder`)
  return path
}
