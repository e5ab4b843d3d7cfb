import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from './gate.ts'

interface WordList {
  /** Marks of work not done. */
  readonly unfinished: readonly string[]
  /** Words that mean nothing or mean something else here, each with what to say instead. */
  readonly glossary: Readonly<Record<string, string>>
  /** Where such a word is part of somebody else's name, it stays. */
  readonly namesOfOthers: readonly string[]
}

const list = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'banned-words.json'), 'utf8')) as WordList

const unfinished = new RegExp(`\\b(${list.unfinished.join('|')})\\b`)
const banned = new RegExp(`\\b(${Object.keys(list.glossary).join('|')})s?\\b`, 'i')

export function findUnfinished(path: string, lines: readonly string[]): Finding[] {
  return lines.flatMap((line, index) => {
    const mark = unfinished.exec(line)?.[1]
    if (mark === undefined) return []
    return [
      {
        where: `${path}:${index + 1}`,
        problem: `says ${mark}`,
        remedy: 'Do it now, or write an issue and remove the mark.',
      },
    ]
  })
}

/** Looks at code, comments and prose, and at the file's own name. Code quoted in a page is not prose. */
export function findSpokenWords(path: string, lines: readonly string[]): Finding[] {
  const inName = toFinding(path, path.split('/').at(-1) ?? '')
  const inText = /\.(ts|sql|md)$/.test(path)
    ? spokenLines(path, lines).flatMap((line, index) => toFinding(`${path}:${index + 1}`, line))
    : []
  return [...inName, ...inText]
}

function toFinding(where: string, text: string): Finding[] {
  const word = banned.exec(asWords(text))?.[1]?.toLowerCase()
  if (word === undefined) return []
  return [
    {
      where,
      problem: `uses the word "${word}"`,
      remedy: `The glossary does not have it: ${list.glossary[word] ?? 'choose another'}.`,
    },
  ]
}

/** Names are read word by word: `sendMail` and `send_mail` both say "send mail". */
function asWords(text: string): string {
  const ours = list.namesOfOthers.reduce((rest, name) => rest.replaceAll(name, ''), text)
  return ours.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll(/[_-]/g, ' ')
}

function spokenLines(path: string, lines: readonly string[]): readonly string[] {
  if (!path.endsWith('.md')) return lines
  let inFence = false
  return lines.map((line) => {
    const isFence = line.trimStart().startsWith('```')
    if (isFence) inFence = !inFence
    return isFence || inFence ? '' : line.replaceAll(/`[^`]*`/g, '')
  })
}
