import { type CustomTypesConfig, types } from 'pg'

/** OIDs are fixed in PostgreSQL's catalog. */
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't', // boolean
  17: parseBytes, // bytea
  20: String, // bigint: beyond 2^53, so never a number
  21: Number, // smallint
  23: Number, // integer
  26: Number, // oid
  114: (text) => JSON.parse(text), // json
  701: Number, // double precision
  1184: (text) => new Date(text), // timestamptz
  3802: (text) => JSON.parse(text), // jsonb
}

/** text[], integer[] and smallint[], whose syntax pg reads. Everything else stays text: numeric, xid8, pg_snapshot, uuid, interval, … */
const arrays = new Set([1005, 1007, 1009])

/**
 * How values come back, whatever the application has set with `types.setTypeParser`, which is global to the process:
 * many set bigint to number, and dates to a type of their own.
 */
export const ownTypes: CustomTypesConfig = {
  getTypeParser: (oid: TypeId, format?: 'text' | 'binary'): ((text: string) => unknown) => {
    if (format === 'binary') return types.getTypeParser(oid, 'binary')
    return arrays.has(oid) ? types.getTypeParser(oid, 'text') : (parsers[oid] ?? String)
  },
}

type TypeId = typeof types.builtins.BYTEA

function parseBytes(text: string): Buffer {
  // bytea_output = 'escape' is the form of 2009; pg's own parser reads both.
  return text.startsWith('\\x')
    ? Buffer.from(text.slice(2), 'hex')
    : types.getTypeParser(types.builtins.BYTEA, 'text')(text)
}
