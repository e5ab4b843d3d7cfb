/** A block of code on a page that repeats a region of a file. */
export interface Snippet {
  readonly page: string
  readonly line: number
  readonly file: string
  readonly region: string
  readonly text: string
}

/** The blocks of a page that open with ```` ```ts file=path#region ````, or with go in place of ts. */
export function snippetsIn(page: string, markdown: string): readonly Snippet[] {
  const blocks = markdown.matchAll(/^(?<fence>`{3,})(?:ts|go)\b(?<info>[^\n]*)\n(?<text>[\s\S]*?)^\k<fence>[ \t]*$/gm)
  return [...blocks].flatMap(({ index, groups }) => {
    const source = /\bfile=(?<file>[^\s#]+)#(?<region>\S+)/.exec(groups?.['info'] ?? '')?.groups
    if (source?.['file'] === undefined || source['region'] === undefined) return []
    const line = markdown.slice(0, index).split('\n').length
    const text = (groups?.['text'] ?? '').trimEnd()
    return [{ page, line, file: source['file'], region: source['region'], text }]
  })
}
