/**
 * Compares two dumps of a schema, before a migration and after it: what would break a process of the version before, or make it
 * wait, is said. Such a process goes on for as long as a deployment takes, so a migration may only add what it need not know of.
 */
export function expansionFaults(before: string, after: string): string[] {
  const old = read(before)
  const now = read(after)
  const oldTables = new Set([...old.lines].flatMap((line) => /^table (\S+)/.exec(line)?.[1] ?? []))
  const added = [...now.lines].filter((line) => !old.lines.has(line))
  const faults = [...old.lines].filter((line) => !now.lines.has(line)).map((line) => `takes away or changes: ${line}`)
  for (const [name, head] of old.functions) {
    if (now.functions.get(name) !== head) faults.push(`takes away or changes the signature of: ${name}`)
  }
  const altered = new Set<string>()
  for (const line of added) {
    const table = tableOf(line)
    if (table === undefined || !oldTables.has(table)) continue
    altered.add(table)
    if (line.startsWith('column ') && line.includes(' not null') && !/ default | generated /.test(line)) {
      faults.push(`the version before cannot write rows without: ${line}`)
    }
    if (line.startsWith('constraint ')) faults.push(`the version before knows nothing of: ${line}`)
    if (/^CREATE (UNIQUE )?INDEX/.test(line)) faults.push(`whoever writes waits until it is built: ${line}`)
  }
  // Each is waited for 20 ms, with the locks of those before in hand.
  if (altered.size > 1) faults.push(`alters more than one table in use: ${[...altered].toSorted().join(', ')}`)
  return faults
}

interface Schema {
  /** Tables, columns, constraints, indexes and sequences. */
  readonly lines: ReadonlySet<string>
  /** By name, what a caller sees: arguments and result. */
  readonly functions: ReadonlyMap<string, string>
}

function read(dump: string): Schema {
  const [definitions = '', ...bodies] = dump.split(/^CREATE OR REPLACE FUNCTION /m)
  const functions = bodies.map((text): [string, string] => {
    const head = text.slice(0, text.indexOf(' LANGUAGE '))
    return [head.slice(0, head.indexOf('(')), head.replaceAll(/\s+/g, ' ').trim()]
  })
  return { lines: new Set(definitions.split('\n').filter((line) => line !== '')), functions: new Map(functions) }
}

function tableOf(line: string): string | undefined {
  return (/^(?:column|constraint) (\w+)\./.exec(line) ??
    /^CREATE (?:UNIQUE )?INDEX \S+ ON (?:ONLY )?\w+\.(\w+)/.exec(line))?.[1]
}

/** A migration that takes away what nobody uses any more since an earlier one, as its first line says: `-- contract of 0003`. */
export function contractOf(sql: string): number | undefined {
  const number = /^-- contract of (\d{4})\b/.exec(sql)?.[1]
  return number === undefined ? undefined : Number(number)
}
