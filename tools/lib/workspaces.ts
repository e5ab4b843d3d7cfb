import { posix } from 'node:path'
import { filesUnder, readText } from './files.ts'

/** A package, a service or a proof of this repository. */
export interface Workspace {
  /** `packages/core` */
  readonly folder: string
  /** `@acuse/core` */
  readonly name: string
  readonly private: boolean
  /** What others may import: `@acuse/core`, `@acuse/postgres/drizzle`. */
  readonly publicNames: readonly string[]
  /** The source files behind those names. */
  readonly entryFiles: readonly string[]
  /** The folders those names lead to once the package is built. */
  readonly builtFolders: readonly string[]
}

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, unknown>>
}

const sourceCondition = '@acuse/source'

export function workspacesOf(root: string): readonly Workspace[] {
  return ['packages', 'services', 'proof']
    .flatMap((top) => filesUnder(root, top))
    .filter((path) => /^[^/]+\/[^/]+\/package\.json$/.test(path))
    .map((path) => read(root, path.slice(0, -'/package.json'.length)))
}

function read(root: string, folder: string): Workspace {
  const manifest = JSON.parse(readText(root, `${folder}/package.json`)) as Manifest
  const exported = Object.entries(manifest.exports ?? {})
  return {
    folder,
    name: manifest.name,
    private: manifest.private ?? false,
    publicNames: exported.map(([subpath]) => manifest.name + subpath.slice(1)),
    entryFiles: exported
      .flatMap(([, target]) => fileFor(sourceCondition, target))
      .map((file) => posix.join(folder, file)),
    builtFolders: exported
      .flatMap(([, target]) => fileFor('default', target))
      .map((file) => posix.join(folder, posix.dirname(file))),
  }
}

function fileFor(condition: string, target: unknown): string[] {
  if (typeof target !== 'object' || target === null) return []
  const file = new Map<string, unknown>(Object.entries(target)).get(condition)
  return typeof file === 'string' ? [file] : []
}
