import { type AcuseError, drainOnSignals, systemClock } from '@acuse/core'
import type { UnsafeSetting } from '@acuse/postgres'
import { transportSchemes } from '@acuse/transports'
import { type Command, Option } from 'commander'
import { addDatabaseOptions, type DatabaseOptions, shown, storeUrl } from '../database-options.ts'
import { failureOf } from '../failure.ts'
import { instance, openStore } from '../open-store.ts'
import { isAddress, openTransport } from '../open-transport.ts'
import { counted, type Output } from '../output.ts'
import { RelayProcess, type RelayProgress } from '../relay-process.ts'

interface RelayCommandOptions extends DatabaseOptions {
  readonly transport: string
  readonly transportSchema: string
  readonly service: string
  readonly drainMs: number
  readonly allowUnsafe?: readonly UnsafeSetting[]
  readonly json?: true
}

const defaultDrainMs = 25_000
const addresses = transportSchemes.map((scheme) => `${scheme}://…`).join(', ')

export function addRelay(program: Command, output: Output): void {
  const command = program
    .command('relay')
    .description(
      "sends a service's log to its transport, for services whose bus says relay: 'elsewhere'; drains on SIGTERM",
    )
  addDatabaseOptions(command)
    .addOption(
      new Option('--transport <address>', `${addresses}, or a module that exports \`transport\``)
        .env('ACUSE_TRANSPORT')
        .makeOptionMandatory(),
    )
    .option('--transport-schema <name>', "where Acuse's tables are in the transport's database", 'acuse')
    .option('--service <name>', 'what the relay calls itself in diagnostics', 'relay')
    .option('--drain-ms <ms>', 'how long the batches in flight may take to finish', Number, defaultDrainMs)
    .option('--json', 'print one JSON document a line')
    .addOption(new Option('--allow-unsafe <setting...>', 'settings of the server to live with').hideHelp())
    .action((options: RelayCommandOptions) => relayCommand(options, output))
}

async function relayCommand(options: RelayCommandOptions, output: Output): Promise<void> {
  const { service, transport, transportSchema, drainMs } = options
  const tell = tellerOf(output, options.json === true)
  const onError = (error: AcuseError): void => tell.failed(error)
  const relay = new RelayProcess({
    service,
    openStore: () => openStore({ ...options, onError }),
    openTransport: () =>
      openTransport({ transport, transportSchema, context: { service, instance, clock: systemClock, onError } }),
    onProgress: (progress) => tell.moved(progress),
    onError,
  })
  const stop = async (): Promise<void> => {
    tell.stopping()
    await relay.stop({ deadlineMs: drainMs })
    tell.stopped(relay.progress)
  }
  const letGo = drainOnSignals({ stop })
  try {
    await relay.start()
    if (relay.relaying) tell.started(shown(storeUrl(options)), isAddress(transport) ? shown(transport) : transport)
  } catch (error) {
    letGo()
    await relay.stop({ deadlineMs: 0 })
    throw error
  }
}

/** What the relay says while it runs, to a person or to a machine. */
interface Teller {
  readonly started: (from: string, to: string) => void
  readonly moved: (progress: RelayProgress) => void
  readonly failed: (error: AcuseError) => void
  readonly stopping: () => void
  readonly stopped: (progress: RelayProgress) => void
}

function tellerOf(output: Output, asJson: boolean): Teller {
  if (!asJson) return textTeller(output)
  const line = (event: string, what: object = {}): void =>
    output.line(JSON.stringify({ at: new Date().toISOString(), event, ...what }))
  return {
    started: (from, to) => line('started', { from, to }),
    moved: (progress) => line('progress', progress),
    failed: (error) => line('error', { ...failureOf(error), retryable: error.retryable }),
    stopping: () => line('stopping'),
    stopped: (progress) => line('stopped', progress),
  }
}

function textTeller(output: Output): Teller {
  const line = (text: string): void => output.line(`${new Date().toISOString().slice(11, 19)}  ${text}`)
  const summary = ({ delivered, refused }: RelayProgress): string =>
    refused === 0 ? counted(delivered, 'message') : `${counted(delivered, 'message')}; ${counted(refused, 'refusal')}`
  return {
    started: (from, to) => line(`Relaying ${from} to ${to}. SIGTERM drains it.`),
    moved: (progress) => line(`Relayed ${summary(progress)} so far.`),
    failed: (error) => output.error(`${error.message} (${error.code})`),
    stopping: () => line('Draining.'),
    stopped: (progress) => line(`Stopped after ${summary(progress)}.`),
  }
}
