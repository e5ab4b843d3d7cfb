/**
 * Simulates the shop of this folder under many seeds: `npm run simulate -- [seeds] [first seed] [hours]`.
 * Ends with 1 and the smallest failing plan at the first seed under which a promise is broken.
 */
import { simulate, SimulationFailure } from '../../src/index.ts'
import { shop } from './shop.ts'

const [seeds = 100, firstSeed = 1, hours = 24] = process.argv.slice(2).map(Number)

for (const transport of ['broker', 'database'] as const) {
  try {
    const summary = await simulate(() => shop({ lasts: { hours }, transport }), {
      seeds,
      firstSeed,
      onRun: ({ plan, committed, faults, trace, simulatedMs }) => {
        const shown = [`seed ${plan.seed}`, `${(simulatedMs / 3_600_000).toFixed(1)} h`, `${committed} messages`]
        process.stdout.write(
          `${transport}: ${[...shown, `${faults} faults`, `trace ${trace.slice(0, 12)}`].join(', ')}\n`,
        )
      },
    })
    const { runs, simulatedHours, wallSeconds, hoursPerMinute } = summary
    const figures = `${simulatedHours.toFixed(0)} simulated hours in ${wallSeconds.toFixed(1)} s`
    process.stdout.write(`${transport}: ${runs} seeds, ${figures}: ${hoursPerMinute.toFixed(0)} in a minute\n`)
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
