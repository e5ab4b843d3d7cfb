import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../commands.ts'

const publicMirror = 'http://deb.debian.org/debian'

/** What Debian's own archive calls its releases. Security updates and other people's archives have other names. */
const debianSuites = new Set(['bullseye', 'bookworm', 'trixie', 'forky', 'sid', 'oldstable', 'stable', 'testing'])

interface Source {
  readonly uris: readonly string[]
  readonly suites: readonly string[]
  readonly components: readonly string[]
}

/** The mirror of Debian that apt is configured with on this machine, else the public one. */
export async function mirror(folder = '/etc/apt'): Promise<string> {
  for (const source of await sourcesIn(folder)) {
    const isDebian = source.suites.some((suite) => debianSuites.has(suite)) && source.components.includes('main')
    const uri = source.uris.find((candidate) => /^https?:/.test(candidate))
    if (isDebian && uri !== undefined) return uri.replace(/\/+$/, '')
  }
  return publicMirror
}

/** The variables that make downloads take the proxy apt is configured with; none where it has none. */
export async function proxyVariables(): Promise<Readonly<Record<string, string>>> {
  const shell = ['apt-config', 'shell', 'http_proxy', 'Acquire::http::Proxy', 'https_proxy', 'Acquire::https::Proxy']
  const assignments = await run(shell, { timeoutMs: 10_000 })
  const found = [...assignments.matchAll(/^(\w+)='(.*)'$/gm)].map(([, name = '', value = '']) => [name, value] as const)
  return Object.fromEntries(found.filter(([, value]) => value !== '' && value !== 'DIRECT'))
}

async function sourcesIn(folder: string): Promise<Source[]> {
  const parts = await readdir(join(folder, 'sources.list.d')).catch(() => [])
  const files = [
    join(folder, 'sources.list'),
    ...parts.toSorted((one, other) => one.localeCompare(other)).map((name) => join(folder, 'sources.list.d', name)),
  ]
  const sources: Source[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (file.endsWith('.list')) sources.push(...oneLineSources(text))
    if (file.endsWith('.sources')) sources.push(...deb822Sources(text))
  }
  return sources
}

// deb [options] uri suite component…
function oneLineSources(text: string): Source[] {
  return text.split('\n').flatMap((line) => {
    const [, uri, suite, components] = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line) ?? []
    if (uri === undefined || suite === undefined) return []
    return [{ uris: [uri], suites: [suite], components: words(components) }]
  })
}

// Paragraphs of "Field: values"; a line that begins with a space goes on with the field before.
function deb822Sources(text: string): Source[] {
  const paragraphs = text.replaceAll(/^#.*\n?/gm, '').split(/\n\s*\n/)
  return paragraphs.flatMap((paragraph) => {
    const joined = paragraph.replaceAll(/\n[ \t]+/g, ' ')
    const fields = new Map(
      [...joined.matchAll(/^([\w-]+):(.*)$/gm)].map(([, name = '', value]) => [name.toLowerCase(), words(value)]),
    )
    if (!fields.get('types')?.includes('deb') || fields.get('enabled')?.includes('no')) return []
    const [uris = [], suites = [], components = []] = ['uris', 'suites', 'components'].map((name) => fields.get(name))
    return [{ uris, suites, components }]
  })
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}
