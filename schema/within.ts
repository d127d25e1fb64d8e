/**
 * What a promise answers. The timer goes with the answer.
 * @param limitMs time that it may take, in ms
 * @param onLate called when it takes longer
 * @throws Error when it takes longer
 */
export async function within<Value>(limitMs: number, promise: Promise<Value>, onLate = () => {}): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  let turn: NodeJS.Immediate | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const giveUp = () => {
      onLate()
      reject(new Error(`no answer within ${limitMs} ms`))
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
