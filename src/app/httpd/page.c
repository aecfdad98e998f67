/*
 * app/httpd/page.c: the demo page: WebSocket echo and the server's live figures. Loads nothing from
 * elsewhere.
 */
#include "app/httpd/httpd.h"

const char demo_page[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Runnel</title>"
    "<meta name=viewport content='width=device-width'><link rel=icon href=data:,><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;"
    "color-scheme:light dark}pre{background:#8882;padding:.7em;border-radius:.4em;min-height:3em;"
    "max-height:14em;overflow:auto}input,button{font:inherit;padding:.2em .6em}table{"
    "display:block;overflow:auto;border-collapse:collapse;text-align:right}th,td{padding:.1em .4em;"
    "border-bottom:1px solid #8884}"
    "</style><h1>Runnel</h1><p>This page, its WebSocket and its figures come from one static "
    "binary. "
    "<a href=/plaintext>/plaintext</a> <a href=/json>/json</a> <a href=/status>/status</a>"
    "<h2>WebSocket echo</h2><form id=form><input id=message value='Hello, Runnel' "
    "autocomplete=off> "
    "<button id=send>Send</button> <span id=state>connecting</span></form><pre id=log></pre>"
    "<h2>Status</h2><pre id=status></pre><table id=table></table><script>"
    "let $=i=>document.getElementById(i),say=t=>{$('log').textContent+=t+'\\n';"
    "$('log').scrollTop=1e9},s;"
    "function open(){s=new WebSocket(location.origin.replace('http','ws')+'/ws');"
    "s.onopen=()=>$('state').textContent='connected';"
    "s.onmessage=e=>say('< '+e.data);"
    "s.onclose=e=>{$('state').textContent='closed '+e.code;setTimeout(open,2000)}}"
    "open();$('form').onsubmit=e=>{e.preventDefault();if(s.readyState==1){let m=$('message').value;"
    "say('> '+m);s.send(m)}};"
    "let keys=['connections','requests','websockets','messages','bytes_in','bytes_out','tasks',"
    "'buffers'];async function live(){try{let r=await(await fetch('/status')).json();"
    "$('status').textContent=`httpd ${r.version}, backend ${r.backend}, up ${r.uptime} s, "
    "${r.workers.length} worker(s)`;"
    "$('table').innerHTML='<tr><th>worker'+keys.map(k=>'<th>'+k).join('')+r.workers.map((w,i)=>"
    "'<tr><td>'+i+keys.map(k=>'<td>'+w[k]).join('')).join('')}"
    "catch(e){$('status').textContent='no answer'}setTimeout(live,1000)}live()</script>";

const uint32_t demo_page_size = sizeof demo_page - 1;
