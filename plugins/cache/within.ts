/** What a promise answers. @throws when that takes longer */
export async function within<Value>(limitMs: number, promise: Promise<Value>, onLate = () => {}): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  let turn: NodeJS.Immediate | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const giveUp = () => {
      onLate()
      reject(new Error(`Redis did not answer within ${limitMs} ms`))
    }
    // it may be this process that was busy: what has arrived meanwhile is read first
    timer = setTimeout(() => {
      turn = setImmediate(giveUp)
    }, limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}
