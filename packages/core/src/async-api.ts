import { ConfigurationError } from './errors.ts'
import type { AnyMessageType } from './message.ts'

export interface CatalogueInfo {
  readonly title: string
  readonly version: string
  readonly description?: string
}

/** The part of Standard JSON Schema that zod 4 and arktype offer beside `validate`. */
interface JsonSchemaSource {
  readonly jsonSchema: { readonly input: (options: { readonly target: string }) => Readonly<Record<string, unknown>> }
}

/** A JSON document. */
export type Document = Readonly<Record<string, unknown>>

/**
 * The catalogue of message types as an AsyncAPI 3.0 document: a channel for each stream, a message for each type with its version and
 * the JSON Schema of what travels. Generate it in a test and compare it with the file in your repository, and it stays true.
 * Throws `ACUSE_CONFIGURATION` for a schema library that cannot describe itself (it needs `~standard.jsonSchema`).
 *
 * Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0.
 */
export function asyncApi(info: CatalogueInfo, types: readonly AnyMessageType[]): Document {
  const sorted = types.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const streams = [...new Set(sorted.map(({ stream }) => stream))].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return {
    asyncapi: '3.0.0',
    info: { ...info },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(
      streams.map((stream) => [
        stream.name,
        {
          address: stream.name,
          description: `Order is kept per key, over ${stream.partitions} partitions.`,
          messages: Object.fromEntries(
            sorted.filter((type) => type.stream === stream).map(({ name }) => [name, reference('messages', name)]),
          ),
        },
      ]),
    ),
    operations: Object.fromEntries(
      streams.map(({ name }) => [`read.${name}`, { action: 'receive', channel: { $ref: `#/channels/${name}` } }]),
    ),
    components: { messages: Object.fromEntries(sorted.map((type) => [type.name, messageOf(type)])) },
  }
}

function messageOf(type: AnyMessageType): Document {
  return {
    name: type.name,
    title: `${type.name}, version ${type.version}`,
    headers: {
      type: 'object',
      description: 'CloudEvents 1.0 attributes, binary mode',
      properties: {
        'ce-type': { const: type.name },
        'ce-typeversion': { const: String(type.version) },
        ...(type.keyed ? { 'ce-partitionkey': { type: 'string' } } : {}),
      },
    },
    payload: schemaOf(type),
    'x-version': type.version,
    'x-keyed': type.keyed,
    'x-priority': type.priority,
  }
}

function schemaOf({ name, schema }: AnyMessageType): Document {
  const standard = schema['~standard']
  if (!describesItself(standard)) {
    throw new ConfigurationError(
      `message type ${name}: its schema library (${standard.vendor}) offers no "~standard.jsonSchema"; zod 4 and arktype do.`,
    )
  }
  return standard.jsonSchema.input({ target: 'draft-07' })
}

function describesItself(standard: object): standard is JsonSchemaSource {
  return (
    'jsonSchema' in standard &&
    typeof standard.jsonSchema === 'object' &&
    standard.jsonSchema !== null &&
    'input' in standard.jsonSchema
  )
}

function reference(kind: string, name: string): Document {
  return { $ref: `#/components/${kind}/${name}` }
}
