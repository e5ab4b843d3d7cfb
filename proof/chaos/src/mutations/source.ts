import type { Edit } from './mutation.ts'

/** Changes a text in its one place. Throws where the text is not there, or there more than once: the product has moved on. */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const count = text.split(find).length - 1
  if (count !== 1)
    throw new Error(`${file} has ${count} places that read ${JSON.stringify(find)}; the mutation needs one.`)
  return text.replace(find, () => replace)
}
