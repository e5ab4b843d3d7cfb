import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  ConfigurationError,
  messageOf,
  type Transport,
  type TransportContext,
  type TransportFactory,
} from '@acuse/core'
import { transportAt, transportSchemes } from '@acuse/transports'
import { openStore } from './open-store.ts'

export interface OpenTransportOptions {
  /** A database's or a broker's address, or a module with a transport of its own. */
  readonly transport: string
  /** Where Acuse's tables are in that database. */
  readonly transportSchema: string
  readonly context: TransportContext
}

/**
 * Opens what a relay sends to: the log of another PostgreSQL database, a broker, or the export `transport` of a module.
 * Throws `ACUSE_CONFIGURATION` for what is none of them, `ACUSE_MISSING_PACKAGE` for a broker whose client is not installed, and what
 * opening throws.
 */
export async function openTransport({ transport, transportSchema, context }: OpenTransportOptions): Promise<Transport> {
  if (/^postgres(ql)?:\/\//.test(transport)) return logOf(transport, transportSchema, context)
  const open = isAddress(transport) ? brokerAt(transport) : await transportIn(transport)
  return open(context)
}

function brokerAt(address: string): TransportFactory {
  const [scheme = ''] = address.split(':')
  if (transportSchemes.includes(scheme)) return transportAt(address)
  const known = transportSchemes.map((name) => `${name}://…`).join(', ')
  throw new ConfigurationError(
    `--transport ${scheme}://… is none this command knows: give ${known}, or a module that exports \`transport\`.`,
  )
}

/** Whether it is the address of a server, which may hold a password, and not a module. */
export function isAddress(transport: string): boolean {
  return /^[a-z][a-z0-9+]+:\/\//.test(transport) && !transport.startsWith('file://')
}

async function logOf(store: string, schema: string, { service, onError }: TransportContext): Promise<Transport> {
  const opened = await openStore({ store, schema, service, onError })
  const { name, identity, capabilities, publish, consume } = bound(opened.log)
  return { name, identity, capabilities, publish, consume, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

/** A transport may be a class, whose methods need it. */
function bound(transport: Transport): Omit<Transport, typeof Symbol.asyncDispose> {
  const { name, identity, capabilities } = transport
  return {
    name,
    identity,
    capabilities,
    publish: (batch, signal) => transport.publish(batch, signal),
    consume: (source, sink) => transport.consume(source, sink),
  }
}

async function transportIn(module: string): Promise<TransportFactory> {
  const address = module.startsWith('file://') ? module : pathToFileURL(resolve(module)).href
  const loaded: unknown = await import(address).catch((cause: unknown) => {
    throw new ConfigurationError(`--transport ${module} cannot be loaded: ${messageOf(cause)}`)
  })
  const given: unknown =
    typeof loaded === 'object' && loaded !== null && 'transport' in loaded ? loaded.transport : undefined
  if (isFactory(given)) return given
  throw new ConfigurationError(`--transport ${module} exports no \`transport\`: a TransportFactory of @acuse/core.`)
}

function isFactory(given: unknown): given is TransportFactory {
  return typeof given === 'function'
}
