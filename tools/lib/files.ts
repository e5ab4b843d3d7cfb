import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const skippedFolders = new Set(['node_modules', 'dist', 'coverage', 'fixtures', '.git', '.acuse', '.vitest'])

/** Every file under `folder`, as paths relative to `root` with forward slashes, sorted. A missing folder has none. */
export function filesUnder(root: string, folder = '.'): readonly string[] {
  return walk(root, folder === '.' ? '' : folder).toSorted()
}

function walk(root: string, folder: string): string[] {
  return entriesOf(join(root, folder)).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (!entry.isDirectory()) return entry.isFile() ? [path] : []
    return skippedFolders.has(entry.name) ? [] : walk(root, path)
  })
}

function entriesOf(folder: string): { name: string; isDirectory(): boolean; isFile(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** The folders that hold the project's TypeScript. */
const codeFolders = ['packages', 'services', 'proof', 'examples', 'test', 'tools']

/** Every TypeScript file of the project, tests included. */
export function codeFiles(root: string): readonly string[] {
  return codeFolders.flatMap((folder) => filesUnder(root, folder)).filter((path) => path.endsWith('.ts'))
}

export function readText(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The text of a file, or `undefined` where there is none. */
export function readTextIfThere(root: string, path: string): string | undefined {
  try {
    return readText(root, path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** The line, counted from 1, that holds the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}
