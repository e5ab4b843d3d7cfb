import { randomInt } from 'node:crypto'
import { faultsOf } from './faults/faults.ts'
import { help, type Options, OptionsError, readOptions } from './options.ts'
import { defaultPlan, type Plan } from './plan.ts'
import { summaryText } from './report.ts'
import { run } from './run.ts'
import { transportNamed } from './transports/transports.ts'

/** Bad options, as in most programs. */
const usageError = 2
const interruptedBySignal = 130
/** As in the default plan: what is missed while a producer is away is made up for, but not always before the end. */
const aimAhead = 1.2

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const options = optionsOrComplaint(args)
  if (options === undefined) return usageError
  if (options === 'help') {
    process.stdout.write(help())
    return 0
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The second time it is meant: the processes are killed as this one exits.
      if (stop.signal.aborted) process.exit(interruptedBySignal)
      stop.abort(signal)
    })
  }
  return play(options, stop.signal)
}

async function play(options: Options, stop: AbortSignal): Promise<number> {
  const output = options.json ? process.stderr : process.stdout
  const { seed, seconds, messages, nodes } = options
  output.write(`seed ${seed}\n`)
  const transport = transportNamed(options.transport)
  const all = faultsOf(transport, nodes)
  const chosen = all.filter(({ name }) => options.faults === null || options.faults.includes(name))
  const crashAt = process.env['CRASH_AT']
  try {
    const { summary } = await run(
      {
        transport,
        nodes,
        plan: planFor(options),
        seed,
        seconds,
        faults: chosen,
        allFaults: chosen.length === all.length,
        messages,
        nodeArguments: process.execArgv,
        ...(crashAt === undefined ? {} : { firstEnv: { CRASH_AT: crashAt } }),
        ...(options.logs === null ? {} : { shared: { logs: options.logs } }),
        output,
      },
      stop,
    )
    output.write(summaryText(summary))
    if (!summary.ok) {
      for (const short of summary.shortcomings) output.write(`too little: ${short}\n`)
      output.write(`failed with seed ${seed}; to run it again: ${commandOf(options)}\n`)
    }
    process.stdout.write(`${JSON.stringify(summary)}\n`)
    return summary.ok ? 0 : 1
  } catch (error) {
    if (!stop.aborted) {
      output.write(`failed with seed ${seed}; to run it again: ${commandOf(options)}\n`)
      throw error
    }
    output.write(`stopped by ${String(stop.reason)}\n`)
    return interruptedBySignal
  }
}

function planFor({ messages, seconds }: Options): Plan {
  if (messages === null) return defaultPlan
  const ratePerSecond = (aimAhead * messages) / seconds
  return { ...defaultPlan, workload: { ...defaultPlan.workload, ratePerSecond } }
}

function commandOf({ transport, nodes, seconds, seed, messages, faults: names }: Options): string {
  const more = [
    ...(nodes === 1 ? [] : [`--nodes ${nodes}`]),
    ...(messages === null ? [] : [`--messages ${messages}`]),
    ...(names === null ? [] : [`--faults ${names.length === 0 ? 'none' : names.join(',')}`]),
  ]
  return ['npm run chaos --', `--transport ${transport} --seconds ${seconds} --seed ${seed}`, ...more].join(' ')
}

function optionsOrComplaint(args: readonly string[]): Options | 'help' | undefined {
  try {
    return readOptions(args, () => randomInt(2 ** 31 - 1))
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error
    process.stderr.write(`${error.message}\nTry --help.\n`)
    return undefined
  }
}
