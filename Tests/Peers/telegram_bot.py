"""What python-telegram-bot finds in a server of the Bot API: it logs in, hears by polling, answers, edits, sends and fetches files, and is
told to slow down.  usage: telegram_bot.py URL TOKEN  Prints one JSON object."""

import asyncio
import json
import sys

from telegram import Bot, BotCommand, InlineKeyboardButton, InlineKeyboardMarkup, ReplyParameters, Update
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, MessageHandler, filters

url, token = sys.argv[1:]
seen = {"errors": []}
done = asyncio.Event()


async def failing(kind, call):
    try:
        await call
        seen["errors"].append("nothing")
    except kind as error:
        seen["errors"].append(f"{type(error).__name__}: {error}")


async def hears(update: Update, context):
    """A text in a group that mentions the bot."""
    message = update.effective_message
    seen["text"] = message.text
    seen["mention"] = message.parse_entities(["mention"])[message.entities[0]]
    bot, chat = context.bot, message.chat_id
    keys = InlineKeyboardMarkup([[InlineKeyboardButton("Go on", callback_data="go")]])
    answer = await bot.send_message(
        chat, "<b>Hello</b> &amp; welcome", parse_mode=ParseMode.HTML, reply_markup=keys,
        reply_parameters=ReplyParameters(message.message_id))
    seen["answered"] = [answer.text, answer.reply_to_message.message_id == message.message_id]
    await bot.send_chat_action(chat, ChatAction.TYPING)
    edited = await answer.edit_text("Changed", reply_markup=keys)
    seen["edited"] = edited.text
    await failing(BadRequest, answer.edit_text("Changed", reply_markup=keys))
    await failing(BadRequest, bot.send_message(chat, "<b>open", parse_mode=ParseMode.HTML))
    await failing(BadRequest, bot.send_message(chat, "x" * 4097))
    await failing(BadRequest, bot.send_message(404, "x"))
    await failing(Forbidden, bot.send_message(1002, "x"))
    try:
        await bot.send_message(chat, "Again")
    except RetryAfter as error:
        seen["retry_after"] = getattr(error.retry_after, "total_seconds", lambda: error.retry_after)()
    await bot.send_message(chat, "Again")


async def command(update: Update, context):
    seen["command"] = context.args
    photo = b"\x89PNG and so on"
    document = await update.effective_message.reply_document(b"contents", filename="a report.txt", caption="Here")
    seen["document"] = [document.document.file_name, document.document.file_size]
    await update.effective_message.reply_photo(photo)


async def file(update: Update, context):
    seen["name"] = update.effective_message.document.file_name
    fetched = await (await update.effective_message.document.get_file()).download_as_bytearray()
    seen["fetched"] = bytes(fetched).decode()


async def changed(update: Update, context):
    seen["changed"] = update.edited_message.text


async def pressed(update: Update, context):
    await update.callback_query.answer("Going on")
    seen["pressed"] = update.callback_query.data
    done.set()


async def main():
    try:
        async with Bot("1:wrong", base_url=f"{url}/bot"):
            seen["errors"].append("nothing")
    except InvalidToken as error:
        seen["errors"].append(type(error).__name__)
    application = (
        Application.builder().token(token).base_url(f"{url}/bot").base_file_url(f"{url}/file/bot").build())
    application.add_handler(CommandHandler("report", command))
    application.add_handler(MessageHandler(filters.Document.ALL, file))
    application.add_handler(MessageHandler(filters.UpdateType.EDITED_MESSAGE, changed))
    application.add_handler(MessageHandler(filters.TEXT & filters.Entity("mention"), hears))
    application.add_handler(CallbackQueryHandler(pressed))
    async with application:
        seen["me"] = application.bot.username
        await application.bot.set_my_commands([BotCommand("report", "Sends a report")])
        seen["menu"] = [command.command for command in await application.bot.get_my_commands()]
        await application.start()
        await application.updater.start_polling(timeout=20)
        await asyncio.wait_for(done.wait(), 30)
        await application.updater.stop()
        await application.stop()
    print(json.dumps(seen))


asyncio.run(main())
