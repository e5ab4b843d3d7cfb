import type { DeadLetter, DeadLetterFilter } from '@acuse/core'
import type { Command } from 'commander'
import type { DatabaseOptions } from '../database-options.ts'
import { addLetterFilters, assertChosen, filterOf, type LetterOptions } from '../letter-filter.ts'
import { deadLetterTable, letterDocument } from '../letter-text.ts'
import { openStore } from '../open-store.ts'
import { counted, json, type Output } from '../output.ts'

interface ReplayCommandOptions extends LetterOptions {
  readonly force?: true
}

type LetterStore = Awaited<ReturnType<typeof openStore>>['deadLetters']

export function addDeadLetters(program: Command, output: Output): void {
  const parent = program.command('dead-letters').description('lists, replays and discards dead letters')
  addLetterFilters(parent.command('list').description('lists dead letters, oldest first'), { anyState: true }).action(
    async (options: LetterOptions) => {
      const letters = await inStore(options, output, (store) => store.list(filterOf(options)))
      output.line(options.json ? json(letters.map(letterDocument)) : listOf(letters))
    },
  )
  addLetterFilters(parent.command('replay').description('runs dead letters again, in order per key'), {
    anyState: false,
  })
    .option('--force', 'replay also what the inbox does not know any more: it may be applied twice')
    .action(async (options: ReplayCommandOptions) => {
      const force = options.force === true
      const count = await inStore(options, output, (store) => store.replay(chosen(options), { force }))
      output.line(
        options.json ? json({ replayed: count }) : `Replaying ${counted(count, 'dead letter')}.${more(count, options)}`,
      )
    })
  addLetterFilters(parent.command('discard').description('gives dead letters up, and frees the keys they hold'), {
    anyState: false,
  }).action(async (options: LetterOptions) => {
    const count = await inStore(options, output, (store) => store.discard(chosen(options)))
    output.line(
      options.json ? json({ discarded: count }) : `Discarded ${counted(count, 'dead letter')}.${more(count, options)}`,
    )
  })
}

function chosen(options: LetterOptions): DeadLetterFilter {
  assertChosen(options)
  return filterOf(options)
}

async function inStore<R>(
  options: LetterOptions & DatabaseOptions,
  output: Output,
  work: (store: LetterStore) => Promise<R>,
): Promise<R> {
  await using store = await openStore({
    ...options,
    service: 'acuse',
    onError: ({ message }) => output.error(message),
  })
  return await work(store.deadLetters)
}

function listOf(letters: readonly DeadLetter[]): string {
  return letters.length === 0 ? 'No dead letters.' : deadLetterTable(letters)
}

function more(count: number, { limit }: LetterOptions): string {
  return count < limit ? '' : ` That is the limit (--limit ${limit}): there may be more.`
}
