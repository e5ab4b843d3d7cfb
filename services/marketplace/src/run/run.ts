import { once } from 'node:events'

import { messageOf } from '@acuse/core'

import { paintFor } from '../display/paint.ts'
import type { ProgressOutput } from '../display/progress.ts'
import { formatSummary, summaryJson } from '../display/summary.ts'
import type { Options } from '../options.ts'
import { createClosing } from './closing.ts'
import { openMarketplace } from './open-marketplace.ts'
import { sendOrders } from './send-orders.ts'
import { summarize } from './summarize.ts'
import { createVoice } from './voice.ts'

export interface RunOutputs {
  /** For people. */
  output: ProgressOutput
  /** For a program: the summary, if `--json` asks for it. */
  json: (line: string) => void
}

/**
 * One run from the start of the database to the end of the last process. Gives the exit code: 0 when the summary is good,
 * 1 when it is not or the run failed, 130 when `interrupted` ended it before there was one.
 */
export async function run(options: Options, { output, json }: RunOutputs, interrupted: AbortSignal): Promise<number> {
  const voice = createVoice(output)
  const closing = createClosing(voice.say)
  try {
    const marketplace = await openMarketplace(options, { voice, closing, signal: interrupted })
    const sent = await sendOrders(options, marketplace, voice, interrupted)
    const summary = await summarize(marketplace, sent, voice.say)
    output.write(`\n${formatSummary(summary, paintFor(output))}\n`)
    if (options.json) json(summaryJson(summary))
    if (!options.once) {
      for (const [purpose, { url }] of Object.entries(marketplace.databases))
        voice.say(`  ${purpose.padEnd(18)} ${url}`)
      // One that was named is known to whoever named it, password and all.
      if (options.transportUrl === null) voice.say(`  ${'bus'.padEnd(18)} ${marketplace.transport.url}`)
      voice.say('\nAll services stay up. Ctrl-C ends them.')
      if (!interrupted.aborted) await once(interrupted, 'abort')
    }
    return summary.ok ? 0 : 1
  } catch (error) {
    voice.endShow()
    if (interrupted.aborted) return 130
    voice.say(`The marketplace failed: ${messageOf(error)}`)
    return 1
  } finally {
    if (interrupted.aborted) voice.say('Stopping: services finish what they have begun …')
    await closing.close()
  }
}
