import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { filesUnder, lineAt, readText } from './lib/files.ts'
import { runGate, type Finding } from './lib/gate.ts'

await runGate({
  name: 'links',
  unit: 'pages',
  minimum: 4,
  inspect: (root) => {
    const pages = filesUnder(root).filter((path) => path.endsWith('.md'))
    return { examined: pages.length, findings: pages.flatMap((page) => deadLinks(root, page)) }
  },
})

/** Links to files of this repository. Addresses elsewhere change without us, so no gate can hold them. */
function deadLinks(root: string, page: string): Finding[] {
  const text = readText(root, page)
  const links = [...text.matchAll(/\]\((?<target>[^)\s#]+)(#[^)\s]*)?\)/g)]
  return links.flatMap(({ index, groups }) => {
    const target = groups?.['target'] ?? ''
    if (/^[a-z]+:/.test(target) || existsSync(join(root, posix.dirname(page), target))) return []
    const where = `${page}:${lineAt(text, index)}`
    return [
      {
        where,
        problem: `links to ${target}, which does not exist`,
        remedy: 'Correct the path, relative to this page.',
      },
    ]
  })
}
