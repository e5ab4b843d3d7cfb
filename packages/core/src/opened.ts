/** What is opened once by its name, when it is first asked for. Where that fails, whoever asks next tries again. */
export class Opened<T> {
  readonly #ready = new Map<string, T>()
  readonly #opening = new Map<string, Promise<T>>()

  /** What is open already. Whoever asks for every message saves a promise so. */
  ready(name: string): T | undefined {
    return this.#ready.get(name)
  }

  /** What is open by this name, or `open` opens. Rejects as `open` does. */
  get(name: string, open: () => Promise<T>): Promise<T> {
    const known = this.#opening.get(name)
    if (known !== undefined) return known
    const opening = open().then(
      (opened) => {
        if (this.#opening.get(name) === opening) this.#ready.set(name, opened)
        return opened
      },
      (error: unknown) => {
        if (this.#opening.get(name) === opening) this.#opening.delete(name)
        throw error
      },
    )
    this.#opening.set(name, opening)
    return opening
  }

  /** It is opened anew when it is asked for again. */
  forget(name: string): void {
    this.#ready.delete(name)
    this.#opening.delete(name)
  }

  /** All that is open or about to be. */
  all(): readonly Promise<T>[] {
    return [...this.#opening.values()]
  }
}
