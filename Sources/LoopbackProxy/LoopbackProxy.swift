// LoopbackProxy
