import { posix } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { lineAt, readText } from './files.ts'

export interface Import {
  /** The file that imports. */
  readonly from: string
  readonly line: number
  readonly specifier: string
  /** `import type` and `export type`, which are gone at run time. `import { type X }` still loads the file. */
  readonly typeOnly: boolean
}

/** Everything a file imports or re-exports: statically, by `import()`, and in types. */
export function importsOf(root: string, path: string): readonly Import[] {
  const text = readText(root, path)
  const { module, program, errors } = parseSync(path, text)
  const failure = errors[0]
  if (failure !== undefined) throw new Error(`${path} cannot be parsed: ${failure.message}`)

  // By its place in the text: an imported name that is exported again shows up on both lists.
  const found = new Map<number, Import>()
  const add = (specifier: string, offset: number, typeOnly: boolean): void => {
    if (!found.has(offset)) found.set(offset, { from: path, line: lineAt(text, offset), specifier, typeOnly })
  }
  for (const { start, moduleRequest } of module.staticImports) {
    add(moduleRequest.value, moduleRequest.start, /^import\s+type\b/.test(text.slice(start)))
  }
  for (const { start, entries } of module.staticExports) {
    const typeOnly = /^export\s+type\b/.test(text.slice(start))
    for (const { moduleRequest } of entries) {
      if (moduleRequest !== null) add(moduleRequest.value, moduleRequest.start, typeOnly)
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const literal = /^(['"`])([^'"`$]*)\1$/.exec(text.slice(moduleRequest.start, moduleRequest.end))
    if (literal?.[2] !== undefined) add(literal[2], moduleRequest.start, false)
  }
  new Visitor({
    TSImportType: ({ source }) => add(source.value, source.start, true),
  }).visit(program)
  return [...found.values()]
}

/** The file a relative import means, relative to the root, or `undefined` for the name of a package. */
export function relativeTarget(found: Import): string | undefined {
  if (!found.specifier.startsWith('.')) return undefined
  return posix.join(posix.dirname(found.from), found.specifier)
}
